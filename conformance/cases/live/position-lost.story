story: watchers of a topic whose last publication the store does not know are told to come again
covers: live protocol 4.8; f_top_01
memory-only: a store does not forget by itself

config live_secret=the-secret-of-live-topics
limits live_check_ms=200

ann watches with Authorization="Bearer $live"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {epoch: $epoch, offset: 0}
ann#2 streams /events?topic=a with Authorization="Bearer $live"
ann#2 sees subscribed
live POST /publish {"topic": "a", "data": 1} -> 200 {offset: 1}
live POST /publish {"topic": "a", "data": 2} -> 200 {offset: 2}
ann sees position {offset: 1}
ann sees position {offset: 2}
ann#2 sees position {offset: 1}
ann#2 sees position {offset: 2}
store mislays the last publication of a
ann sees unsubscribed {topic: a, code: position-lost}
ann#2 sees unsubscribed {topic: a, code: position-lost}
ann#2 sees close 1000 disconnected
metric peermesh_live_resyncs_total 2
log "live topic lost" {topic: a, why: position-lost}
ann sends {"type": "subscribe", "topic": "a", "recover": {"epoch": "$epoch", "offset": 2}}
ann sees subscribed {recovered: false, offset: 1}
live POST /publish {"topic": "a", "data": 3} -> 200 {offset: 2}
ann sees position {offset: 2, data: 3}
