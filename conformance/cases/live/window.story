story: who wishes for publications together gets those of a moment as one message, the newest of each entity where they replace each other
covers: live protocol 4.2; live protocol 4.4

config live_secret=the-secret-of-live-topics live_topics=state=conflate

token t for ann {"subscribe": ["*"]}
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "state", "window_ms": 130}
ann sees subscribed {topic: state, window_ms: 200, offset: 0}
ann sends {"type": "subscribe", "topic": "log", "window_ms": 50}
ann sees subscribed {topic: log, window_ms: 100}
bob watches with Authorization="Bearer $t"
bob sees authorized
bob sends {"type": "subscribe", "topic": "log"}
bob sees subscribed {topic: log, !window_ms}
live POST /publish {"topic": "state", "key": "car1", "data": 1} -> 200
live POST /publish {"topic": "state", "key": "car2", "data": 2} -> 200
live POST /publish {"topic": "state", "key": "car1", "data": 3} -> 200
ann sees positions {topic: state, offset: 3, items: [{key: car1, offset: 3, data: 3, conflated: true}, {key: car2, offset: 2, !conflated}]}
live POST /publish {"topic": "log", "data": "a"} -> 200 {epoch: $epoch}
live POST /publish {"topic": "log", "data": "b"} -> 200
ann sees positions {topic: log, offset: 2, items: [{offset: 1, data: a}, {offset: 2, data: b}]}
bob sees position {offset: 1, data: a}
bob sees position {offset: 2, data: b}
# One that comes alone looks like any other.
live POST /publish {"topic": "log", "data": "c"} -> 200
ann sees position {topic: log, offset: 3, data: c}
# Who joins in the middle of a moment is shown what it held, and begins the next.
live POST /publish {"topic": "state", "key": "car1", "data": 4} -> 200
cat watches with Authorization="Bearer $t"
cat sees authorized
cat sends {"type": "subscribe", "topic": "state", "window_ms": 200}
cat sees subscribed {offset: 4, snapshot: [{key: car1, data: 4}, {key: car2, data: 2}]}
ann sees position {topic: state, offset: 4}
live POST /publish {"topic": "state", "key": "car1", "data": 5} -> 200
cat sees position {offset: 5, data: 5}
ann sees position {offset: 5, data: 5}
ann sends {"type": "unsubscribe", "topic": "state"}
ann sees unsubscribed {topic: state}
live POST /publish {"topic": "state", "key": "car1", "data": 6} -> 200
cat sees position {offset: 6}
ann sees nothing
dan streams /events?topic=log&window_ms=100 with Authorization="Bearer $t"
dan sees subscribed {window_ms: 100, offset: 3}
live POST /publish {"topic": "log", "data": "d"} -> 200
live POST /publish {"topic": "log", "data": "e"} -> 200
dan sees positions {_id: "$epoch:5", offset: 5}
