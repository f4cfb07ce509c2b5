story: rows of the feed that cannot be published, however many, do not hold up those behind them
covers: live protocol 5.3; f_top_01
memory-only: the other stages' store has no feed

config live_secret=the-secret-of-live-topics live_feed=on
limits live_name_bytes_max=16

feed 600 times {"topic": "a", "key": "a name of more than sixteen bytes", "data": $n}
feed {"topic": "a", "data": "good"}
ann watches with Authorization="Bearer $live"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {offset: 0}
ann sees position {offset: 1, data: good}
log "feed row refused" {topic: a, row: 600}
metric peermesh_live_feed_refused_total 600
feed 600 times {"topic": "a", "data": $n}
ann sees 600 times position {data: $n}
ann sees nothing
