story: whoever comes for a mesh that another broker serves is sent on, and nothing is written
covers: mesh protocol 2.3; mesh protocol 1.5; f_clu_03; f_clu_08
limits mesh_idle_ms=100
memory-only: the other stage's store has one broker

mesh garden with ann
http POST /admin/meshes/garden/invites with authorization="Bearer $admin" {"uses":1} -> 201 {invite_token:
  $token, invite_payload: $payload}
# Nobody needs it here any more, so anybody may have it.
wait 300ms
rival takes garden
ann greets
ann sees error {code: not_owner}
ann sees close 1013 not_owner
metric broker_connections_rejected_total{reason="not_owner"} 1
http POST /join {"invite_token":"$token","invite_payload":$payload,"peer_pubkey":"$bob.key",
  "display_name":"bob"} -> 503 with retry-after=2 {ok: false, error: not_owner}
http GET /admin/meshes/garden with authorization="Bearer $admin" -> 503 with retry-after=2 {error: not_owner}
# A stranger learns nothing of it.
eve greets with meshId=$garden.id memberId=x
eve sees error {code: unauthorized}
eve sees close 1008 unauthorized
rival dies
http POST /join {"invite_token":"$token","invite_payload":$payload,"peer_pubkey":"$bob.key",
  "display_name":"bob"} -> 200 {ok: true}
ann connects
no log "mesh lost"
