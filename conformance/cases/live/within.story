story: what the broker's own process publishes goes to watchers like anything else, whichever shard it comes from
covers: live protocol 4.5
memory-only: no other stage has a program in the broker's process
shards 3

config live_secret=the-secret-of-live-topics
limits live_name_bytes_max=16

ann watches with Authorization="Bearer $live"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {offset: 0}
process publishes {"topic": "a", "key": "k", "version": 7, "data": {"x": 1}}
ann sees position {offset: 1, key: k, version: 7, data: {x: 1}}
process publishes {"topic": "b", "data": 2}
wait 50ms
live GET /history?topic=b -> 200 {publications: [{offset: 1, data: 2}]}
process publishes {"topic": "a", "key": "a name of more than sixteen bytes", "data": 3}
log "publication dropped" {topic: a, why: "length of a key"}
