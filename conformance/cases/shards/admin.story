story: admin requests and enrolments find the shard that owns the mesh
covers: mesh protocol 1.5; mesh protocol 1.6
shards 2

mesh garden with ann, bob
mesh orchard with carl
mesh meadow with dora
ann connects
carl connects
dora connects
http GET /admin/meshes with authorization="Bearer $admin" -> 200 {meshes: [{slug: garden, members: 2}, {slug:
  orchard}, {slug: meadow}]}
http GET /admin/meshes/garden with authorization="Bearer $admin" -> 200 {online: 1, members: 2}
http GET /admin/meshes/orchard with authorization="Bearer $admin" -> 200 {online: 1, members: 1}
http GET /admin/meshes/meadow with authorization="Bearer $admin" -> 200 {online: 1, members: 1}
http GET /admin/meshes/nowhere with authorization="Bearer $admin" -> 404
http POST /join {"invite_token":"x","invite_payload":{},"peer_pubkey":"$ann.key","display_name":"z"} -> 400
  with access-control-allow-origin="*" {error: invite_bad_signature}
eric joins garden
eric connects
fred joins orchard
fred connects
gus joins meadow
gus connects
http DELETE /admin/meshes/garden/members/eric with authorization="Bearer $admin" -> 200
http DELETE /admin/meshes/orchard/members/fred with authorization="Bearer $admin" -> 200
http DELETE /admin/meshes/meadow/members/gus with authorization="Bearer $admin" -> 200
eric sees close 4002 banned
fred sees close 4002 banned
gus sees close 4002 banned
metric broker_connections_active 3
