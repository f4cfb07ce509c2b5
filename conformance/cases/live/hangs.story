story: what its sender was told took too long is not done later, and while the store is away nobody waits
covers: live protocol 3.4; f_sto_01
memory-only: a topic must be on its way
error: db ping failed

config live_secret=the-secret-of-live-topics
limits ack_deadline_ms=200 live_coming_bytes_max=4096

let head = "HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $live\r\n"
store delays 400ms
says dials live
says sends bytes "POST /publish $head" "Content-Length: 28\r\n\r\n{\"topic\": \"a\", \"data\": true}"
tells dials live
tells sends bytes "POST /broadcast $head" "Content-Length: 34\r\n\r\n{\"topics\":[\"a\",\"b\"], \"data\": true}"
streams dials live
streams sends bytes "GET /events?topic=a $head\r\n"
ann watches with Authorization="Bearer $live"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
wait 250ms
says sees bytes "HTTP/1.1 503"
tells sees bytes "HTTP/1.1 503"
streams sees bytes "HTTP/1.1 503"
ann sees subscribed {topic: a, offset: 0}
ann sees nothing for 1000ms
store heals
live GET /topics -> 200 {topics: [{topic: a, offset: 0, watchers: 1}, {topic: b, offset: 0}]}

# So many bytes may wait.
store delays 500ms
ann sends 12 times {"type": "publish", "topic": "c", "id": "$n", "data": "............................................................................................................................................................................................................................................................................................................"}
ann sees error {id: "8", code: unavailable}
ann sees error {id: "9", code: unavailable}
ann sees error {id: "10", code: unavailable}
ann sees error {id: "11", code: unavailable}
ann sees error {id: "12", code: unavailable}
ann sees 7 times published {offset: $n}
store heals

# A store that is known to be away is not asked for a topic.
store fails unavailable
wait 1500ms
store delays 100ms
live POST /publish {"topic": "z", "data": 1} -> 503 {error: unavailable}
store heals
wait 1000ms
live POST /publish {"topic": "z", "data": 1} -> 200 {offset: 1}
