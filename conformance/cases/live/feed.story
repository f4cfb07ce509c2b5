story: what another program writes for topics is published once, in its order, to whoever watches or comes later
covers: live protocol 5.3
memory-only: the other stages' store has no feed

config live_secret=the-secret-of-live-topics live_feed=on
limits live_name_bytes_max=16

ann watches with Authorization="Bearer $live"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {offset: 0}
feed {"topic": "a", "key": "k", "version": 2, "data": {"x": 1}}
ann sees position {offset: 1, key: k, version: 2, data: {x: 1}}
feed {"topic": "a", "key": "k", "version": 1, "data": {"x": 0}}
ann sees position {offset: 2, late: true, data: {x: 0}}
feed 3 times {"topic": "b", "data": $n}
feed {"topic": "a", "key": "a name of more than sixteen bytes", "data": 3}
log "feed row refused" {topic: a, row: 6, why: "length of a key"}
feed {"topic": "a", "data": 4}
ann sees position {offset: 3, data: 4}
ann sends {"type": "subscribe", "topic": "b", "history": 9}
ann sees subscribed {topic: b, offset: 0}
ann sees position {topic: b, offset: 1, data: 1}
ann sees position {topic: b, offset: 2, data: 2}
ann sees position {topic: b, offset: 3, data: 3}
broker crashes
feed {"topic": "a", "data": 5}
live GET /history?topic=a -> 200
wait 50ms
live GET /history?topic=a -> 200 {offset: 4, publications: [..., {offset: 4, data: 5}]}
live GET /history?topic=b -> 200 {offset: 3}
