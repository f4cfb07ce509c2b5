story: while the store does not answer nobody joins, and the invite is good afterwards
covers: mesh protocol 1.5; f_sto_01
error: db ping failed
limits health_ms=50

mesh garden with ann
http POST /admin/meshes/garden/invites with authorization="Bearer $admin" {"uses":1} -> 201 {invite_token:
  $token,
  invite_payload: $payload}
store fails unavailable
http POST /join {"invite_token":"$token","invite_payload":$payload,"peer_pubkey":"$bob.key",
  "display_name":"bob"} -> 503
  with retry-after=2 {ok: false, error: store_down}
metric broker_db_healthy 0
http GET /admin/meshes with authorization="Bearer $admin" -> 503 with retry-after=2 {error: store_down}
ann greets
ann sees error {code: overloaded}
ann sees close 1013 overloaded
store heals
metric broker_db_healthy 1
http POST /join {"invite_token":"$token","invite_payload":$payload,"peer_pubkey":"$bob.key",
  "display_name":"bob"} -> 200
ann connects
metric broker_connections_rejected_total{reason="store_down"} 1
