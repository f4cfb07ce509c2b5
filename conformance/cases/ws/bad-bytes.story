story: bytes that are no request, no frame or no message have a clear answer, and the broker goes on
covers: mesh protocol 1.2; f_frm_01; f_frm_05; f_hsk_02; f_hsk_03

mesh garden with ann
raw "NONSENSE\r\n\r\n" -> "HTTP/1.1 400"
raw "GET /health HTTP/1.1\r\nHost: x\r\n" "X-Filler: 0123456789\r\n"*1000 "\r\n" -> "HTTP/1.1 431"
raw "POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"
  -> "HTTP/1.1 400"
raw "GET /elsewhere HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n" -> ""

bare opens
bare sends frame mask=0 "{}"
bare sees close 1002
odd opens
odd sends frame rsv=4 "{}"
odd sees close 1002
huge opens
huge sends frame length=9223372036854775807 ""
huge sees close 1009
garbled opens
garbled sends text "\xff\xfe"
garbled sees close 1007
ann connects
ann sends ping "still here?"
ann sees pong "still here?"
