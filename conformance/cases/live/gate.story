story: nothing is done for who has no right to it, and nobody learns whether it is there
covers: live protocol 3.1; live protocol 3.2; f_aut_07

config live_secret=the-secret-of-live-topics
limits live_auth_ms=100 bad_messages_per_minute_max=3

ann watches with Authorization="Bearer wrong"
ann sees close 4401 unauthorized
bob watches
bob sends {"type": "subscribe", "topic": "a", "id": "1"}
bob sees error {code: unauthorized, id: "1"}
bob sees close 4401 unauthorized
token weak for cat {"subscribe": ["a"], "publish": ["b"]}
cat watches
cat sends {"type": "auth", "token": "$weak", "id": "x"}
cat sees authorized {user: cat, id: x, expires: _}
cat sends {"type": "subscribe", "topic": "b"}
cat sees error {code: forbidden, topic: b}
cat sends {"type": "subscribe", "topic": "nowhere"}
cat sees error {code: forbidden, topic: nowhere}
cat sends {"type": "subscribe", "topic": "a", "history": 5}
cat sees error {code: forbidden}
cat sends {"type": "subscribe", "topic": "a", "presence": true}
cat sees error {code: forbidden}
cat sends {"type": "publish", "topic": "a", "data": 1}
cat sees error {code: forbidden}
cat sends {"type": "publish", "topic": "b", "data": 1, "id": "p"}
cat sees published {id: p, topic: b, offset: 1, duplicate: false}
cat sends {"type": "history", "topic": "b"}
cat sees error {code: forbidden}
cat sends {"type": "presence-stats", "topic": "a"}
cat sees error {code: forbidden}
cat sends {"type": "auth", "token": "nonsense"}
cat sees error {code: unauthorized}
token other for dan {"subscribe": ["*"]}
cat sends {"type": "auth", "token": "$other"}
cat sees error {code: forbidden}
cat sends 4 times {"type": "nonsense"}
cat sees 3 times error {code: protocol-violation}
cat sees close 1008 bad_messages
live GET /topics with authorization="" -> 401 {error: unauthorized}
live GET /topics with authorization="Bearer $weak" -> 200 {topics: []}
live GET /connections with authorization="Bearer $weak" -> 403
live GET /topics?token=x -> 400 {error: token_in_url}
live POST /publish with authorization="Bearer $weak" {"topic": "a", "data": 1} -> 403 {error: forbidden}
live POST /publish with authorization="" "x"*60000 -> 401
live GET /elsewhere -> 404 with content-length=0
live PUT /publish -> 404 with content-length=0
