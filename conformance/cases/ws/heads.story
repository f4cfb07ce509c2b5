story: a request head is read up to its bounds, and anything that could be read in two ways is refused
covers: mesh protocol 1.1; f_hsk_02; f_hsk_03; f_hsk_04

mesh garden with ann
raw "GET /" "x"*5000 " HTTP/1.1\r\nHost: x\r\n\r\n" -> "HTTP/1.1 414"
raw "GET /health HTTP/1.1\r\nHost: x\r\nX: " "y"*20000 "\r\n\r\n" -> "HTTP/1.1 431"
raw "GET /health HTTP/1.1\r\nHost: x\r\n" "X: y\r\n"*70 "\r\n" -> "HTTP/1.1 431"
raw "POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}" -> "HTTP/1.1 400"
raw "POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: +2\r\n\r\n{}" -> "HTTP/1.1 400"
raw "POST /join HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" -> "HTTP/1.1 4"
raw "GET /health HTTP/1.1\r\nHost: x\r\nFoo: a\r\n b\r\n\r\n" -> "HTTP/1.1 400"
raw "GET /health HTTP/1.1\nHost: x\n\n" -> "HTTP/1.1 400"
raw "GET /health HTTP/1.1\r\nHost : x\r\n\r\n" -> "HTTP/1.1 400"
raw "GET  /health HTTP/1.1\r\nHost: x\r\n\r\n" -> "HTTP/1.1 400"
raw "GET /health HTTP/1.1\r\nHost: x\r\nX: \x00\r\n\r\n" -> "HTTP/1.1 400"
raw "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" "x"*40 "\r\n\r\n" -> "HTTP/1.1 400"
raw "GET //health HTTP/1.1\r\nHost: x\r\n\r\n" -> "HTTP/1.1 404"
raw "GET /%68ealth HTTP/1.1\r\nHost: x\r\n\r\n" -> "HTTP/1.1 404"
raw "GET /health HTTP/1.0\r\nHost: x\r\n\r\n" -> "HTTP/1.1 "
raw "GET /health HTTP/2.0\r\nHost: x\r\n\r\n" -> "HTTP/1.1 "
raw "POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n" -> "HTTP/1.1 413"
raw "POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 18446744073709551616\r\n\r\n" -> "HTTP/1.1 4"
# Nothing is read after the first request.
raw "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n" -> "HTTP/1.1 404"
ann connects
