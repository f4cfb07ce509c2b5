story: live topics are served by one shard of several, whichever that is
covers: live protocol 1.2
shards 3

config live_secret=the-secret-of-live-topics

token t for ann {"subscribe": ["*"], "publish": ["*"]}
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed
bob streams /events?topic=a with Authorization="Bearer $t"
bob sees subscribed
ann sends {"type": "publish", "topic": "a", "data": 1}
ann sees published {offset: 1}
ann sees position {offset: 1}
bob sees position {offset: 1}
live GET /topics -> 200 {topics: [{topic: a, offset: 1, watchers: 2, users: 1, published: 1, slow: disconnect, volatile: false}]}
live GET /connections -> 200 {connections: [{user: ann, topics: [a], queuedBytes: 0}, {user: ann}]}
metric processor_live_connections{instance_id="story"} 2
broker drains
ann sees going-away
ann sees close 1001 "server shutting down"
