story: what a store may keep otherwise than it came is no name of a topic, no key and no key of idempotency
covers: live protocol 3.4; live protocol 4.1

config live_secret=the-secret-of-live-topics

token t for ann {"subscribe": ["*"], "publish": ["*"], "history": ["*"], "presence": ["*"]}
live POST /publish {"topic": "a\u0000", "data": 1} -> 422 {error: limit-exceeded, message: "characters of a topic's name"}
live POST /publish {"topic": "a", "key": "k\u0000", "data": 1} -> 422 {message: "characters of a key"}
live POST /publish {"topic": "a", "data": 1, "idempotency_key": "\u0000"} -> 422 {message: "characters of an idempotency key"}
live GET /history?topic=a%00 -> 422 {message: "characters of a topic's name"}
live GET /events?topic=a%00 -> 422 {message: "characters of a topic's name"}
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a\u0000", "id": "s"}
ann sees error {code: limit-exceeded, id: s, message: "characters of a topic's name"}
ann sends {"type": "presence", "topic": "a\u0000"}
ann sees error {code: limit-exceeded}
# Its picture is a character like any other.
live POST /publish {"topic": "a\u2400", "key": "k\u2400", "data": 1} -> 200 {offset: 1}
