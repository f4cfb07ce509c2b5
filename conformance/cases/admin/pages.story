story: the list of meshes comes in pages
covers: mesh protocol 1.6

http GET /admin/meshes?after=0 with authorization="Bearer $admin" -> 200 {meshes: [], next: null}
http POST /admin/meshes with authorization="Bearer $admin" {"name":"one"} -> 201
http POST /admin/meshes with authorization="Bearer $admin" {"name":"two"} -> 201
http GET /admin/meshes?after=1 with authorization="Bearer $admin" -> 200 {meshes: [{slug: two}], next: null}
http GET /admin/meshes?after=x with authorization="Bearer $admin" -> 400 {error: bad_request, message:
  ~"after"}
http GET /admin/meshes?limit=5 with authorization="Bearer $admin" -> 400 {error: bad_request}
