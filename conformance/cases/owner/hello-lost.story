story: a hello, a join and an admin's wish that meet the loss of their mesh half way are sent on like any other
covers: mesh protocol 2.3; mesh protocol 1.5; f_clu_03
memory-only: the other stage's store has one broker

mesh garden with ann, bob
ann connects
http POST /admin/meshes/garden/invites with authorization="Bearer $admin" {"uses":1} -> 201 {invite_token:
  $token, invite_payload: $payload}
rival robs garden
bob greets
bob sees error {code: not_owner}
bob sees close 1013 not_owner
ann sees error {code: not_owner}
ann sees close 1013 not_owner
rival dies
bob connects
rival robs garden
http POST /join {"invite_token":"$token","invite_payload":$payload,"peer_pubkey":"$carl.key",
  "display_name":"carl"} -> 503 {ok: false, error: not_owner}
bob sees error {code: not_owner}
rival dies
bob connects
rival robs garden
http DELETE /admin/meshes/garden/members/ann with authorization="Bearer $admin" -> 503 {error: not_owner}
rival dies
http GET /admin/meshes/garden/members with authorization="Bearer $admin" -> 200
  {members: [{name: ann, revoked_at: null}, {name: bob}]}
