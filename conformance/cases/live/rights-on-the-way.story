story: what a watcher asked for is done only if its rights still say so when its topic is there
covers: live protocol 3.2; f_aut_07
memory-only: a topic must be on its way

config live_secret=the-secret-of-live-topics

token all for ann {"subscribe": ["*"], "publish": ["*"], "history": ["*"], "presence": ["*"]}
ann watches with Authorization="Bearer $all"
ann sees authorized
store delays 200ms
ann sends {"type": "publish", "topic": "a", "data": 1}
ann sends {"type": "publish", "topic": "a", "data": 2, "idempotency_key": "k"}
live POST /revoke {"user": "ann"} -> 200 {closed: 1}
ann sees close 4403 "authorization revoked"
wait 1s
store heals
live GET /history?topic=a -> 200 {offset: 0}

# A fresh token takes the place of one that opened more.
token more for bob {"subscribe": ["*"], "publish": ["*"], "history": ["*"], "presence": ["*"]}
token less for bob {"subscribe": ["*"]}
bob watches with Authorization="Bearer $more"
bob sees authorized
store delays 200ms
bob sends {"type": "subscribe", "topic": "b", "id": "1", "history": 5}
bob sends {"type": "subscribe", "topic": "c", "id": "2", "presence": true}
bob sends {"type": "subscribe", "topic": "d", "id": "3"}
bob sends {"type": "publish", "topic": "e", "id": "4", "data": 1}
bob sends {"type": "history", "topic": "e", "id": "5"}
bob sends {"type": "presence", "topic": "e", "id": "6"}
bob sends {"type": "auth", "token": "$less"}
bob sees authorized
bob sees error {id: "1", topic: b, code: forbidden}
bob sees error {id: "2", topic: c, code: forbidden}
bob sees subscribed {id: "3", topic: d}
bob sees error {id: "4", code: forbidden}
bob sees error {id: "5", code: forbidden}
bob sees error {id: "6", code: forbidden}
wait 1s
store heals
live GET /history?topic=e -> 200 {offset: 0}

# Nor is it told who comes.
cid watches with Authorization="Bearer $more"
cid sees authorized
cid sends {"type": "subscribe", "topic": "f", "presence": true}
cid sees subscribed {presence: _}
dan watches with Authorization="Bearer $live"
dan sees authorized
dan sends {"type": "subscribe", "topic": "f"}
dan sees subscribed
cid sees join {user: operator}
cid sends {"type": "auth", "token": "$less"}
cid sees authorized
token eves for eve {"subscribe": ["*"]}
eve watches with Authorization="Bearer $eves"
eve sees authorized
eve sends {"type": "subscribe", "topic": "f"}
eve sees subscribed
cid sees nothing
live POST /publish {"topic": "f", "data": 1} -> 200
cid sees position {topic: f}
