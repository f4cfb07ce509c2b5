story: a broker without a key file makes no mesh, says why, and does the rest
covers: mesh protocol 1.1
config vault_key=none

http POST /admin/meshes with authorization="Bearer $admin" {"name":"garden"} -> 409
  {error: no_key_file, message: ~"key file"}
http GET /admin/meshes with authorization="Bearer $admin" -> 200 {meshes: []}
