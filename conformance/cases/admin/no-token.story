story: a broker without an admin token says how to give it one
covers: mesh protocol 1.1
config admin_token=none

http GET /admin/meshes with authorization="Bearer $admin" -> 403 {error: no_admin_token, message: ~"PEERMESH_ADMIN_TOKEN"}
metric peermesh_rejected_total{reason="bad_token"} 0
http GET /health/ready -> 200
