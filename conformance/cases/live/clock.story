story: a clock that jumps forgets no key of idempotency early, keeps none for ever, and makes no publication old
covers: live protocol 4.5; live protocol 4.2; f_tim_01
memory-only: real clocks do not jump

config live_secret=the-secret-of-live-topics
limits live_keys_ms=60000 live_history_ms=60000

live POST /publish {"topic": "a", "key": "x", "data": 1, "idempotency_key": "k"} -> 200 {epoch: $epoch, offset: 1}
clock jumps +6000000m
wait 30s
live POST /publish {"topic": "a", "key": "x", "data": 1, "idempotency_key": "k"} -> 200 {offset: 1, duplicate: true}
live GET /history?topic=a -> 200 {publications: [{offset: 1}]}
live POST /publish {"topic": "a", "data": 2, "idempotency_key": "j"} -> 200 {offset: 2}
wait 31s
live POST /publish {"topic": "a", "key": "x", "data": 1, "idempotency_key": "k"} -> 200 {offset: 3, duplicate: false}
live GET /history?topic=a -> 200 {publications: [{offset: 2}, {offset: 3}]}
live POST /publish {"topic": "a", "data": 2, "idempotency_key": "j"} -> 200 {offset: 2, duplicate: true}
# What was stamped by the clock that ran ahead grows old in its time when the clock is right again.
clock jumps -6000000m
wait 20s
live POST /publish {"topic": "a", "data": 2, "idempotency_key": "j"} -> 200 {offset: 2, duplicate: true}
wait 20s
live POST /publish {"topic": "a", "data": 2, "idempotency_key": "j"} -> 200 {offset: 4, duplicate: false}
live GET /history?topic=a -> 200 {publications: [{offset: 3}, {offset: 4}]}
# Before time that is long ago nothing is older than it is.
clock jumps -6000000m
live POST /publish {"topic": "a", "data": 5, "idempotency_key": "i"} -> 200 {offset: 5}
wait 40s
live POST /publish {"topic": "a", "data": 5, "idempotency_key": "i"} -> 200 {offset: 5, duplicate: true}
wait 21s
live POST /publish {"topic": "a", "data": 5, "idempotency_key": "i"} -> 200 {offset: 6, duplicate: false}
# By the stamps of the life before, this is of a time to come: it is known for as long as a key is, and no longer.
broker restarts
live POST /publish {"topic": "a", "data": 5, "idempotency_key": "i"} -> 200 {epoch: $epoch, offset: 6, duplicate: true}
wait 61s
live POST /publish {"topic": "a", "data": 5, "idempotency_key": "i"} -> 200 {offset: 7, duplicate: false}
