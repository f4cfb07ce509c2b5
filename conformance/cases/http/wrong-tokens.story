story: a wrong token is always answered alike, and too many of them make its address wait
covers: f_aut_01; f_aut_02
limits token_failures_per_minute_max=3

http GET /admin/meshes -> 401 with content-type="application/json" {error: unauthorized, message: $m}
http GET /admin/meshes with authorization="Bearer wrong" -> 401 {error: unauthorized, message: $m}
http GET /admin/meshes with authorization="Bearer $admin" -> 200
http GET /admin/meshes -> 401 {error: unauthorized, message: $m}
http GET /admin/meshes with authorization="Bearer wrong" -> 429 {error: slow_down}
http GET /admin/meshes with authorization="Bearer $admin" -> 429 {error: slow_down}
http GET /health -> 200
metric peermesh_rejected_total{reason="bad_token"} 5
