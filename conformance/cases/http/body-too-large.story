story: a body over the limit is refused from its announced length, and the refusal reaches who sends it
covers: mesh protocol 1.1; mesh protocol 7.1
limits message_bytes_max=1024
let big = "x"*1025

http POST /join "$big" -> 413 with content-type="application/json" {ok: false, error: "payload too large"}
http POST /hook/set-status "$big" -> 413 {ok: false, error: "payload too large"}
http POST /admin/meshes with authorization="Bearer $admin" "$big" -> 413 {ok: false, error:
  "payload too large"}
raw "POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999999\r\n\r\n" -> "HTTP/1.1 413"
raw "POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 1e3\r\n\r\n" -> "HTTP/1.1 400"
http POST /join {"display_name":"x"} -> 400
