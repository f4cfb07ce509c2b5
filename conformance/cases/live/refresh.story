story: a token is replaced without a new connection, and one that runs out ends it
covers: live protocol 3.1; live protocol 3.2

config live_secret=the-secret-of-live-topics
limits live_refresh_ms=400

token first for ann lasting 1600ms {"subscribe": ["a", "b"]}
ann watches with Authorization="Bearer $first"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed
ann sends {"type": "subscribe", "topic": "b"}
ann sees subscribed
ann sees refresh {within_ms: _}
token second for ann lasting 1400ms {"subscribe": ["b"]}
ann sends {"type": "auth", "token": "$second", "id": "r"}
ann sees authorized {id: r}
ann sees unsubscribed {topic: a, code: forbidden}
live POST /publish {"topic": "a", "data": 1} -> 200
live POST /publish {"topic": "b", "data": 1} -> 200
ann sees position {topic: b}
ann sees refresh
ann sees close 4401 "token expired"
