story: what an operator cannot have is refused with the field that is wrong
covers: mesh protocol 1.6

mesh garden with ann
http POST /admin/meshes with authorization="Bearer $admin" "no JSON" -> 400 {error: bad_request, message:
  ~"JSON"}
http POST /admin/meshes with authorization="Bearer $admin" [] -> 400 {error: bad_request}
http POST /admin/meshes with authorization="Bearer $admin" {} -> 400 {error: bad_request, message: ~"name"}
http POST /admin/meshes with authorization="Bearer $admin" {"name":"x","slug":"A B"} -> 400 {message: ~"slug"}
http POST /admin/meshes with authorization="Bearer $admin" {"name":"!!!"} -> 400 {message: ~"slug"}
http POST /admin/meshes/garden/invites with authorization="Bearer $admin" {"uses":0} -> 400 {message: ~"uses"}
http POST /admin/meshes/garden/invites with authorization="Bearer $admin" {"role":"owner"} -> 400 {message:
  ~"role"}
http POST /admin/meshes/garden/invites with authorization="Bearer $admin" {"expires_at":1} -> 400 {message:
  ~"expires_at"}
http POST /admin/meshes/nowhere/invites with authorization="Bearer $admin" {} -> 404 {error: not_found}
http GET /admin/meshes/nowhere with authorization="Bearer $admin" -> 404 {error: not_found}
http GET /admin/meshes/nowhere/members with authorization="Bearer $admin" -> 404 {error: not_found}
http DELETE /admin/meshes/nowhere/members/ann with authorization="Bearer $admin" -> 404 {error: not_found}
http DELETE /admin/meshes/garden/members/eve with authorization="Bearer $admin" -> 404 {error: not_found,
  message: ~"eve"}
http DELETE /admin/meshes/garden/members with authorization="Bearer $admin" -> 404 {error: not_found}
http PUT /admin/meshes/garden with authorization="Bearer $admin" {} -> 404 {error: not_found}
http GET /admin with authorization="Bearer $admin" -> 404 {error: not_found}
http GET /administer with authorization="Bearer $admin" -> 404 "not found"
http GET /admin/meshes/%2e%2e with authorization="Bearer $admin" -> 404 {error: not_found}
