story: a request that waited for its topic while its rights were taken back is refused
covers: live protocol 3.2; f_aut_07
memory-only: a topic must be on its way

config live_secret=the-secret-of-live-topics

token t for ann {"subscribe": ["*"], "publish": ["*"], "history": ["*"], "presence": ["*"]}
let head = "HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $t\r\n"
store delays 200ms
streams dials live
streams sends bytes "GET /events?topic=a $head\r\n"
looks dials live
looks sends bytes "GET /history?topic=a $head\r\n"
counts dials live
counts sends bytes "GET /presence?topic=a $head\r\n"
says dials live
says sends bytes "POST /publish $head" "Content-Length: 28\r\n\r\n{\"topic\": \"a\", \"data\": true}"
live POST /revoke {"user": "ann"} -> 200 {closed: 0}
streams sees bytes "HTTP/1.1 403"
looks sees bytes "HTTP/1.1 403"
counts sees bytes "HTTP/1.1 403"
says sees bytes "HTTP/1.1 403"
store heals
live GET /history?topic=a -> 200 {publications: [], offset: 0}
