story: a token in a URL is refused whether it is right or not, and is written down nowhere
covers: f_aut_02

http GET /admin/meshes?token=$admin -> 400 {error: token_in_url, !token}
http GET /admin/meshes?after=0&Access_Token=$admin -> 400 {error: token_in_url}
http GET /ws?authorization=x -> 400 {error: token_in_url}
http GET /nowhere?token -> 400 {error: token_in_url}
http GET /nowhere?tokens=1 -> 404
metric peermesh_rejected_total{reason="url_token"} 4
no log "http" {route: ~"token"}
http GET /admin/meshes with authorization="Bearer $admin" -> 200
