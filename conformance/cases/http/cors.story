story: pages of other sites may use the public routes and no others
covers: mesh protocol 1.1; f_hsk_05; f_web_01
let headers = "Content-Type, X-Mesh-Id, X-Member-Id, X-File-Name" ", X-Tags, X-Persistent, X-Target-Spec"

http OPTIONS /join -> 204 with access-control-allow-origin="*"
  access-control-allow-methods="POST, GET, OPTIONS"
  access-control-allow-headers=$headers
http OPTIONS /health -> 204 with access-control-allow-origin="*"
http OPTIONS /health/ready -> 204 with access-control-allow-origin="*"
http OPTIONS /metrics -> 204 with access-control-allow-origin="*"
http OPTIONS /hook/set-status -> 204 with access-control-allow-origin="*"
http GET /health -> 200 with access-control-allow-origin="*"
http GET /metrics -> 200 with access-control-allow-origin="*"
http POST /join {} -> 400 with access-control-allow-origin="*"
http POST /hook/set-status {} -> 200 with access-control-allow-origin="*"
http OPTIONS /admin/meshes -> 401
http OPTIONS /ws -> 404 "not found"
raw "GET /admin/meshes HTTP/1.1\r\nHost: x\r\n\r\n" ->
  "HTTP/1.1 401 Unauthorized\r\nContent-Type: application/json\r\nContent-Length"
raw "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n" -> "HTTP/1.1 404 Not Found\r\nContent-Length"
