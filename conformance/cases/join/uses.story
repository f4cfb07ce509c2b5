story: an invite is good for so many members, and one that is a member already spends none of it
covers: mesh protocol 1.5

mesh garden with ann
http POST /admin/meshes/garden/invites with authorization="Bearer $admin" {"uses":2,"role":"admin"} -> 201
  {invite_token: $token, invite_payload: $payload}
http POST /join {"invite_token":"$token","invite_payload":$payload,"peer_pubkey":"$ann.key",
  "display_name":"ann"} -> 200
  {ok: true, memberId: $ann.member, alreadyMember: true}
http POST /join {"invite_token":"$token","invite_payload":$payload,"peer_pubkey":"$bob.key",
  "display_name":"bob"} -> 200
  {ok: true, memberId: $bob.member, !alreadyMember}
http POST /join {"invite_token":"$token","invite_payload":$payload,"peer_pubkey":"$bob.key",
  "display_name":"b"} -> 200
  {ok: true, memberId: $bob.member, alreadyMember: true}
http POST /join {"invite_token":"$token","invite_payload":$payload,"peer_pubkey":"$carl.key",
  "display_name":"carl"} -> 200
http POST /join {"invite_token":"$token","invite_payload":$payload,"peer_pubkey":"$dora.key",
  "display_name":"dora"} -> 400
  {ok: false, error: invite_exhausted}
http POST /join {"invite_token":"$token","invite_payload":$payload,"peer_pubkey":"$carl.key",
  "display_name":"carl"} -> 200
  {alreadyMember: true}
bob connects
http GET /admin/meshes/garden/members with authorization="Bearer $admin" -> 200 {members: [
  {name: ann, role: member}, {name: bob, role: admin, pubkey: $bob.key, member_id: $bob.member}, {name:
  carl}]}
# What was spent stays spent.
broker restarts
http POST /join {"invite_token":"$token","invite_payload":$payload,"peer_pubkey":"$dora.key",
  "display_name":"dora"} -> 400
  {ok: false, error: invite_exhausted}
bob connects
