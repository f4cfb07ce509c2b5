story: the same enrolment asked for twice at once makes one member
covers: mesh protocol 1.5

mesh garden
http POST /admin/meshes/garden/invites with authorization="Bearer $admin" {"uses":2} -> 201
  {invite_token: $token, invite_payload: {v: 1, mesh_id: $garden.id, mesh_slug: garden,
  broker_url: "ws://broker.test/ws", expires_at: $end, mesh_root_key: $root, role: member,
  owner_pubkey: $owner, signature: $good}}
let payload = "{\"v\":1,\"mesh_id\":\"$garden.id\",\"mesh_slug\":\"garden\",\"broker_url\":\"ws://broker.test/ws\","
  "\"expires_at\":$end,\"mesh_root_key\":\"$root\",\"role\":\"member\",\"owner_pubkey\":\"$owner\","
  "\"signature\":\"$good\"}"
let body = "{\"invite_token\":\"$token\",\"peer_pubkey\":\"$ann.key\",\"display_name\":\"ann\","
  "\"invite_payload\":$payload}"
store delays 100ms
one dials
two dials
one sends bytes "POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 606\r\n\r\n$body"
two sends bytes "POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 606\r\n\r\n$body"
one sees bytes "HTTP/1.1 200"
two sees bytes "HTTP/1.1 200"
store heals
http GET /admin/meshes/garden/members with authorization="Bearer $admin" -> 200
  {members: [{name: ann, pubkey: $ann.key}]}
log "join" {ok: true, already_member: true}
