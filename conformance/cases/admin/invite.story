story: an invite says where to come, what one becomes there, and until when
covers: mesh protocol 1.5
config public_url=wss://mesh.example/ws

mesh garden with ann
http POST /admin/meshes/$garden.id/invites with authorization="Bearer $admin"
  {"uses":3,"role":"admin","expires_at":4102444800}
  -> 201 {invite_token: _, invite_payload: {v: 1, mesh_id: $garden.id, mesh_slug: garden,
  broker_url: "wss://mesh.example/ws", expires_at: 4102444800, mesh_root_key: _, role: admin, owner_pubkey:
  $o,
  signature: _}}
http GET /admin/meshes/garden with authorization="Bearer $admin" -> 200 {owner_pubkey: $o}
http POST /admin/meshes/garden/invites with authorization="Bearer $admin" {} -> 201 {invite_payload: {role:
  member}}
# The owner's key survives the broker.
broker restarts
http POST /admin/meshes/garden/invites with authorization="Bearer $admin" {} -> 201 {invite_payload:
  {owner_pubkey: $o}}
bob joins garden
bob connects
