story: a watcher that takes nothing for ten seconds is closed, whatever its topic does with slow ones
covers: live protocol 4.3; f_net_03
memory-only: ten seconds

config live_secret=the-secret-of-live-topics live_topics=a=conflate

ann watches with Authorization="Bearer $live"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed
ann stops reading
live POST /publish {"topic": "a", "key": "k", "data": 1} -> 200
wait 11s
log "connection closed" {code: 4008, reason: slow_consumer}
