story: who watches is a user, however many its connections, and one that comes back soon was never away
covers: live protocol 4.6

config live_secret=the-secret-of-live-topics
limits live_presence_ms=200

token anns for ann {"subscribe": ["*"], "presence": ["*"]}
token bobs for bob {"subscribe": ["*"]}
ann watches with Authorization="Bearer $anns"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a", "presence": true}
ann sees subscribed {presence: {topic: a, version: 1, users: [{user: ann, connections: [_]}]}}
bob watches with Authorization="Bearer $bobs"
bob sees authorized
bob sends {"type": "subscribe", "topic": "a"}
bob sees subscribed {!presence}
ann sees join {topic: a, user: bob, version: 2}
bob#2 watches with Authorization="Bearer $bobs"
bob#2 sees authorized
bob#2 sends {"type": "subscribe", "topic": "a"}
bob#2 sees subscribed
ann sends {"type": "presence", "topic": "a", "id": "p"}
ann sees presence {id: p, version: 2, users: [{user: ann}, {user: bob, connections: [_, _]}]}
ann sends {"type": "presence-stats", "topic": "a"}
ann sees presence-stats {connections: 3, users: 2}
live GET /presence-stats?topic=a -> 200 {connections: 3, users: 2}
live GET /presence?topic=a -> 200 {users: [{user: ann}, {user: bob}]}
bob drops
bob#2 drops
wait 50ms
bob watches with Authorization="Bearer $bobs"
bob sees authorized
bob sends {"type": "subscribe", "topic": "a"}
bob sees subscribed
ann sees nothing for 250ms
bob drops
ann sees leave {topic: a, user: bob, version: 3}
