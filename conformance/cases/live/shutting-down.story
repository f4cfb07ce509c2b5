story: what waits for its topic when the broker is told to stop is refused, and holds nothing up
covers: live protocol 2.7 and 3.4
memory-only: a topic must be on its way

config live_secret=the-secret-of-live-topics
limits live_drain_ms=100

let head = "HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $live\r\n"
let rest = "Content-Type: application/json\r\nRetry-After: 2\r\nContent-Length: 71\r\nConnection: close\r\n\r\n{\"error\":\"shutting-down\""
store delays 200ms
says dials live
says sends bytes "POST /publish $head" "Content-Length: 28\r\n\r\n{\"topic\": \"a\", \"data\": true}"
streams dials live
streams sends bytes "GET /events?topic=a $head\r\n"
wait 50ms
broker drains
says sees bytes "HTTP/1.1 503 Service Unavailable\r\n$rest"
streams sees bytes "HTTP/1.1 503 Service Unavailable\r\n$rest"
says sees end
streams sees end
log "live server stopped"
