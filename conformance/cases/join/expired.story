story: an invite past its time is refused
covers: mesh protocol 1.5
memory-only: the clock moves

mesh garden with ann
http POST /admin/meshes/garden/invites with authorization="Bearer $admin" {"uses":5,"expires_at":1700000100}
  -> 201
  {invite_token: $token, invite_payload: $payload}
http POST /join {"invite_token":"$token","invite_payload":$payload,"peer_pubkey":"$bob.key",
  "display_name":"bob"} -> 200
clock jumps +2m
http POST /join {"invite_token":"$token","invite_payload":$payload,"peer_pubkey":"$carl.key",
  "display_name":"carl"} -> 400
  {ok: false, error: invite_expired}
