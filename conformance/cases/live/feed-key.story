story: whatever keys of idempotency publishers use, rows of the feed are published
covers: live protocol 4.5 and 5.3; f_aut_07
memory-only: the other stages' store has no feed

config live_secret=the-secret-of-live-topics live_feed=on

token t for eve {"publish": ["a"]}
ann watches with Authorization="Bearer $live"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {offset: 0}
live POST /publish with authorization="Bearer $t" {"topic": "a", "data": 1, "idempotency_key": "feed:1"} -> 200
live POST /publish with authorization="Bearer $t" {"topic": "a", "data": 7, "idempotency_key": "feed:2"} -> 200
ann sees position {offset: 1, data: 1}
ann sees position {offset: 2, data: 7}
feed {"topic": "a", "data": 1}
feed {"topic": "a", "data": 2}
ann sees position {offset: 3, data: 1}
ann sees position {offset: 4, data: 2}
