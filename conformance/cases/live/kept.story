story: a topic may be kept for shorter than others, and says so to whoever comes back too late
covers: live protocol 4.2; live protocol 4.3

config live_secret=the-secret-of-live-topics live_topics=short*=disconnect:count=2,small=disconnect:bytes=4

token t for ann {"subscribe": ["*"], "history": ["*"]}
live POST /publish {"topic": "short", "data": 1} -> 200 {epoch: $short}
live POST /publish {"topic": "short", "data": 2} -> 200
live POST /publish {"topic": "short", "data": 3} -> 200
live GET /history?topic=short -> 200 {offset: 3, publications: [{data: 2}, {data: 3}]}
live POST /publish {"topic": "small", "data": 1234} -> 200
live POST /publish {"topic": "small", "data": 5} -> 200
live GET /history?topic=small -> 200 {publications: [{data: 5}]}
live POST /publish {"topic": "long", "data": 1} -> 200
live POST /publish {"topic": "long", "data": 2} -> 200
live POST /publish {"topic": "long", "data": 3} -> 200
live GET /history?topic=long -> 200 {publications: [{data: 1}, {data: 2}, {data: 3}]}
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "short", "recover": {"epoch": "$short", "offset": 1}}
ann sees subscribed {recovered: true, publications: [{offset: 2}, {offset: 3}]}
ann sends {"type": "unsubscribe", "topic": "short"}
ann sees unsubscribed
ann sends {"type": "subscribe", "topic": "short", "recover": {"epoch": "$short", "offset": 0}}
ann sees subscribed {recovered: false, snapshot: []}
