story: names, entities and subscriptions are bounded, and what goes over says which bound it was
covers: live protocol 3.4

config live_secret=the-secret-of-live-topics
limits live_subscriptions_max=2 live_entities_max=2 live_name_bytes_max=16 live_messages_per_minute_max=8 live_topics_max=4

live POST /publish {"topic": "a", "key": "one", "data": 1} -> 200
live POST /publish {"topic": "a", "key": "two", "data": 1} -> 200
live POST /publish {"topic": "a", "key": "three", "data": 1} -> 422 {error: limit-exceeded, message: "entities of one topic"}
live POST /publish {"topic": "a", "key": "two", "data": 2} -> 200 {offset: 3}
live POST /publish {"topic": "a-name-that-is-too-long", "data": 1} -> 422 {message: ~"topic"}
live POST /publish {"topic": "", "data": 1} -> 422
live POST /publish {"topic": "a", "data": 1, "idempotency_key": ""} -> 422
live POST /publish {"topic": "a"} -> 400
ann watches with Authorization="Bearer $live"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed
ann sends {"type": "subscribe", "topic": "b"}
ann sees subscribed
ann sends {"type": "subscribe", "topic": "c", "id": "3"}
ann sees error {code: limit-exceeded, id: "3", message: "subscriptions of one connection"}
ann sends 6 times {"type": "unsubscribe", "topic": "c"}
ann sees 5 times unsubscribed
ann sees error {code: rate-limited}
live POST /publish {"topic": "c", "data": 1} -> 200
live POST /publish {"topic": "d", "data": 1} -> 200
live POST /publish {"topic": "e", "data": 1} -> 422 {message: "topics in memory"}
