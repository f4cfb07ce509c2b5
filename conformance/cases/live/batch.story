story: a batch of publications stands as a whole under one key, and watchers get it in order and without a gap
covers: live protocol 4.5; f_top_01

config live_secret=the-secret-of-live-topics
limits live_batch_max=3

token t for ann {"subscribe": ["a"], "publish": ["a"]}
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {epoch: $epoch, offset: 0}
bob watches with Authorization="Bearer $live"
bob sees authorized
bob sends {"type": "subscribe", "topic": "a", "window_ms": 100}
bob sees subscribed
live POST /publish {"topic": "a", "idempotency_key": "k", "batch": [
    {"key": "x", "version": 2, "data": 1}, {"data": {"two":  2}}, {"key": "x", "version": 1, "data": 3}]}
  -> 200 {epoch: $epoch, offset: 3, count: 3, duplicate: false}
ann sees position {offset: 1, key: x, data: 1, !late}
ann sees position {offset: 2, data: {two: 2}, !key}
ann sees position {offset: 3, key: x, late: true, data: 3}
bob sees positions {offset: 3, items: [{offset: 1}, {offset: 2}, {offset: 3}]}
# Again, in part, in another order, and each by itself.
live POST /publish {"topic": "a", "idempotency_key": "k", "batch": [
    {"key": "x", "version": 2, "data": 1}, {"data": {"two":  2}}, {"key": "x", "version": 1, "data": 3}]}
  -> 200 {offset: 3, count: 3, duplicate: true}
live POST /publish {"topic": "a", "idempotency_key": "k", "batch": [{"key": "x", "version": 2, "data": 1}]}
  -> 409 {error: idempotency-conflict}
live POST /publish {"topic": "a", "idempotency_key": "k", "key": "x", "version": 2, "data": 1}
  -> 409 {error: idempotency-conflict}
# One that cannot be makes that none of them is.
live POST /publish {"topic": "a", "batch": [{"data": 4}, {"data": 5, "version": 99999999999999999999}]} -> 400
live POST /publish {"topic": "a", "batch": [{"data": 4}, {"data": 5, "version": 9999999999999999999}]} -> 422
live POST /publish {"topic": "a", "batch": [{"data": 4}, {"key": "y"}]} -> 400 {error: protocol-violation}
live POST /publish {"topic": "a", "batch": [{"data": 4}, {"data": 5}, {"data": 6}, {"data": 7}]}
  -> 422 {error: limit-exceeded, message: "publications of one batch"}
live POST /publish {"topic": "a", "batch": []} -> 400
live POST /publish {"topic": "a", "batch": [{"data": 4}], "data": 4} -> 400
live POST /publish {"topic": "a", "data": 4} -> 200 {offset: 4, !count}
ann sees position {offset: 4, data: 4}
# The same over a WebSocket, and to many topics.
ann sends {"type": "publish", "topic": "a", "id": "1", "batch": [{"data": 5}, {"data": 6}]}
ann sees published {id: "1", offset: 6, count: 2, duplicate: false}
ann sees position {offset: 5, data: 5}
ann sees position {offset: 6, data: 6}
live POST /broadcast {"topics": ["a", "b"], "batch": [{"data": 7}, {"data": 8}]} -> 200
  {results: [{topic: a, offset: 8, count: 2}, {topic: b, offset: 2, count: 2}]}
# It is known over a restart.
broker restarts
live POST /publish {"topic": "a", "idempotency_key": "k", "batch": [
    {"key": "x", "version": 2, "data": 1}, {"data": {"two":  2}}, {"key": "x", "version": 1, "data": 3}]}
  -> 200 {epoch: $epoch, offset: 3, count: 3, duplicate: true}
cat watches with Authorization="Bearer $live"
cat sees authorized
cat sends {"type": "subscribe", "topic": "a", "recover": {"epoch": "$epoch", "offset": 1}}
cat sees subscribed {offset: 8, recovered: true, publications: [{offset: 2}, {offset: 3, late: true}, ..., {offset: 8}]}
