story: a row of the feed that comes while nobody knows whose its topic is waits until that is known
covers: live protocol 1.2 and 5.3; f_tim_04; f_top_01
memory-only: the other stages' store has no feed

config live_secret=the-secret-of-live-topics live_feed=on
limits health_ms=400

store says lease_ms=60000
wait 500ms
ann watches with Authorization="Bearer $live"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {offset: 0}
feed {"topic": "a", "data": 1}
ann sees position {offset: 1, data: 1}
store delays 150ms
clock jumps +60m
feed {"topic": "a", "data": 2}
feed {"topic": "a", "data": 3}
wait 250ms
live POST /publish {"topic": "a", "data": "none"} -> 503 {error: unavailable}
store heals
ann sees position {offset: 2, data: 2}
ann sees position {offset: 3, data: 3}
feed {"topic": "a", "data": 4}
ann sees position {offset: 4, data: 4}
ann sees nothing
