story: a topic comes as a stream of events too, and goes on where its reader was
covers: live protocol 5.2

config live_secret=the-secret-of-live-topics

token t for ann {"subscribe": ["a"]}
live POST /publish {"topic": "a", "key": "k", "data": 1} -> 200 {epoch: $epoch}
ann streams /events?topic=a with Authorization="Bearer $t"
ann sees subscribed {_id: "$epoch:1", offset: 1, snapshot: [{data: 1}]}
live POST /publish "{\"topic\": \"a\", \"data\": {\"two\":\n 2}}" -> 200
ann sees position {_id: "$epoch:2", topic: a, offset: 2, data: {two: 2}}
ann drops
live POST /publish {"topic": "a", "data": 3} -> 200
ann streams /events?topic=a with Authorization="Bearer $t" Last-Event-ID="$epoch:2"
ann sees subscribed {_id: "$epoch:3", recovered: true, publications: [{offset: 3, data: 3}]}
ann#2 streams /events?topic=a with Authorization="Bearer $t" Last-Event-ID="nonsense"
ann#2 sees subscribed {_id: "$epoch:3", recovered: false, snapshot: [{data: 1}]}
ann#2 drops
live GET /events?topic=b with authorization="Bearer $t" -> 403 {error: forbidden}
live GET /events with authorization="Bearer $t" -> 400
broker drains
ann sees going-away {retry_after_ms: _}
ann sees close 1001 "server shutting down"
ann sees end
