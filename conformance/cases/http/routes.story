story: a route is found by its exact target and method, and everything else is not found
covers: mesh protocol 1; mesh protocol 1.1; f_hsk_04

http GET / -> 404 "not found"
http GET /health/ -> 404 "not found"
http GET //health -> 404 "not found"
http GET /Health -> 404 "not found"
http GET /%68ealth -> 404 "not found"
http GET /health/ready?now -> 404 "not found"
http POST /health -> 404 "not found"
http GET /join -> 404 "not found"
http POST /metrics -> 404 "not found"
http GET /ws -> 404 "not found"
http POST /ws {} -> 404 "not found"
raw "GET http://broker.test/health HTTP/1.1\r\nHost: broker.test\r\n\r\n" -> "HTTP/1.1 404"
raw "HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n" -> "HTTP/1.1 404"
