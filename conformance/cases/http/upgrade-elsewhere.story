story: an upgrade is offered on one path only, in one version, to one well-formed request
covers: mesh protocol 1.1; mesh protocol 1.2; f_hsk_04
let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

mesh garden with ann
raw "GET /ws?x=1 HTTP/1.1\r\nHost: x\r\n" "$upgrade" "$key" "\r\n" -> ""
raw "GET /health HTTP/1.1\r\nHost: x\r\n" "$upgrade" "$key" "\r\n" -> ""
raw "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\n"
  "$key" "\r\n"
  -> "HTTP/1.1 426"
raw "GET /ws HTTP/1.1\r\nHost: x\r\n" "$upgrade" "\r\n" -> "HTTP/1.1 400"
raw "POST /ws HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n" "$upgrade" "$key" "\r\n" -> "HTTP/1.1 4"
http GET /ws with connection=upgrade -> 404 "not found"
metric broker_connections_total 0
ann connects
