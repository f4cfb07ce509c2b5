story: watchers of a topic that another broker has taken are told so, though nobody here publishes to it
covers: live protocol 1.2; live protocol 4.8; f_top_01; f_clu_03
memory-only: the other stage's store has one broker

config live_secret=the-secret-of-live-topics
limits live_check_ms=200

token t for ann {"subscribe": ["*"]}
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed
ann sends {"type": "subscribe", "topic": "b"}
ann sees subscribed
ann#2 streams /events?topic=a with Authorization="Bearer $t"
ann#2 sees subscribed
live POST /publish {"topic": "a", "data": 1} -> 200
ann sees position {topic: a}
ann#2 sees position
wait 500ms
ann sees nothing
rival robs topic a
wait 300ms
ann sees unsubscribed {topic: a, code: not-owner}
ann#2 sees unsubscribed {topic: a, code: not-owner}
ann#2 sees close 1013 not_owner
log "live topic lost" {topic: a, why: not-owner}
live POST /publish {"topic": "a", "data": 2} -> 503 {error: not-owner}
