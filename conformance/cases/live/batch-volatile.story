story: a batch to a topic that lives in memory is judged one behind the other, and shown as a whole to whoever comes
covers: live protocol 4.5; live protocol 4.3

config live_secret=the-secret-of-live-topics live_topics=tmp.*=conflate:volatile
limits live_entities_max=2

ann watches with Authorization="Bearer $live"
ann sees authorized
ann sends {"type": "subscribe", "topic": "tmp.a"}
ann sees subscribed {offset: 0}
live POST /publish {"topic": "tmp.a", "idempotency_key": "k", "batch": [
    {"key": "x", "version": 2, "data": 1}, {"key": "x", "version": 1, "data": 2}, {"key": "y", "data": 3}]}
  -> 200 {offset: 3, count: 3, duplicate: false}
ann sees position {offset: 1, data: 1, !late}
ann sees position {offset: 2, data: 2, late: true}
ann sees position {offset: 3, data: 3}
live POST /publish {"topic": "tmp.a", "batch": [{"key": "x", "data": 4}, {"key": "z", "data": 5}]}
  -> 422 {error: limit-exceeded, message: "entities of one topic"}
live POST /publish {"topic": "tmp.a", "idempotency_key": "k", "batch": [
    {"key": "x", "version": 2, "data": 1}, {"key": "x", "version": 1, "data": 2}, {"key": "y", "data": 3}]}
  -> 200 {offset: 3, count: 3, duplicate: true}
bob watches with Authorization="Bearer $live"
bob sees authorized
bob sends {"type": "subscribe", "topic": "tmp.a"}
bob sees subscribed {offset: 3, snapshot: [{offset: 1, key: x, data: 1}, {offset: 3, key: y, data: 3}]}
