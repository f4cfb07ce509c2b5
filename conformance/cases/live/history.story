story: history is read in pages, forwards and backwards
covers: live protocol 4.7

config live_secret=the-secret-of-live-topics

token t for ann {"subscribe": ["a"], "history": ["a"]}
live POST /publish {"topic": "a", "data": 1} -> 200 {epoch: $epoch}
live POST /publish {"topic": "a", "data": 2} -> 200
live POST /publish {"topic": "a", "data": 3} -> 200
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a", "history": 2}
ann sees subscribed {offset: 3, publications: [{data: 2}, {data: 3}]}
ann sends {"type": "history", "topic": "a", "limit": 2, "id": "h"}
ann sees history {id: h, topic: a, epoch: $epoch, offset: 3, publications: [{offset: 1}, {offset: 2}]}
ann sends {"type": "history", "topic": "a", "since": {"epoch": "$epoch", "offset": 2}}
ann sees history {publications: [{offset: 3}]}
ann sends {"type": "history", "topic": "a", "reverse": true, "limit": 2}
ann sees history {publications: [{offset: 3}, {offset: 2}]}
live GET /history?topic=a&since=$epoch:3&reverse=true -> 200 {publications: [{offset: 2}, {offset: 1}]}
live GET /history?topic=a&limit=x -> 400
# Data passes as it came, and what few readers could read is refused.
live POST /publish "{\"topic\": \"exact\", \"data\": {\"b\":1.50, \"a\":12345678901234567890123}}" -> 200
live GET /history?topic=exact -> 200 "\"data\":{\"b\":1.50, \"a\":12345678901234567890123}"
live POST /publish "{\"topic\": \"deep\", \"data\": " "["*64 "]"*64 "}" -> 200 {offset: 1}
live GET /history?topic=deep -> 200 {offset: 1}
live POST /publish "{\"topic\": \"deep\", \"data\": " "["*65 "]"*65 "}" -> 422 {error: limit-exceeded, message: "depth of the data"}
