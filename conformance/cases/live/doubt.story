story: while it is in doubt whether a topic is still ours nobody is shown it, and who watches a lost one is told so
covers: live protocol 1.2 and 3.4; f_top_01; f_tim_04; f_clu_03
limits health_ms=50
error: db ping failed
memory-only: the other stage's store has one broker

config live_secret=the-secret-of-live-topics

store says lease_ms=200
wait 100ms
token t for ann {"subscribe": ["*"]}
live POST /publish {"topic": "a", "key": "k", "data": 1} -> 200
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {offset: 1}
bob watches with Authorization="Bearer $t"
bob sees authorized
store fails unavailable
wait 300ms
bob sends {"type": "subscribe", "topic": "a", "id": "b1"}
bob sees error {code: unavailable, id: b1}
rival robs topic a
store heals
ann sees unsubscribed {topic: a, code: not-owner}
log "live topic lost" {topic: a}
bob sends {"type": "subscribe", "topic": "a", "id": "b2"}
bob sees error {code: not-owner, id: b2}
