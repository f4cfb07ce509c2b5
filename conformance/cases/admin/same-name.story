story: a name that several members have removes none of them
covers: mesh protocol 1.6

mesh garden with ann
http POST /admin/meshes/garden/invites with authorization="Bearer $admin" {"uses":2} -> 201 {invite_token:
  $token,
  invite_payload: $payload}
http POST /join {"invite_token":"$token","invite_payload":$payload,"peer_pubkey":"$bob.key",
  "display_name":"ann"} -> 200
http DELETE /admin/meshes/garden/members/ann with authorization="Bearer $admin" -> 409 {error: ambiguous,
  message: ~"ann"}
http DELETE /admin/meshes/garden/members/$bob.key with authorization="Bearer $admin" -> 200
http DELETE /admin/meshes/garden/members/ann with authorization="Bearer $admin" -> 200 {removed: $ann.member}
