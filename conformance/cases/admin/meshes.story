story: an operator makes meshes, each with a slug of its own, and sees them
covers: mesh protocol 1.6; f_aut_01

http GET /admin/meshes with authorization="Bearer $admin" -> 200 {meshes: [], next: null}
http POST /admin/meshes with authorization="Bearer $admin" {"name":"Red Team"} -> 201 {mesh_id: $id, slug:
  red-team,
  name: "Red Team"}
http POST /admin/meshes with authorization="Bearer $admin" {"name":"Another","slug":"red-team"} -> 409 {error:
  slug_taken,
  message: ~"red-team"}
http POST /admin/meshes with authorization="Bearer $admin" {"name":"Blue","slug":"blue"} -> 201 {slug: blue}
http GET /admin/meshes with authorization="Bearer $admin" -> 200 {next: null, meshes: [
  {mesh_id: $id, slug: red-team, name: "Red Team", members: 0, created_at: ~"Z"}, {slug: blue}]}
http GET /admin/meshes/red-team with authorization="Bearer $admin" -> 200 {mesh_id: $id, online: 0, queued: 0,
  owner_pubkey: _, !owner_secret, !owner_secret_sealed, !root_key_sealed}
http GET /admin/meshes/$id with authorization="Bearer $admin" -> 200 {slug: red-team}
