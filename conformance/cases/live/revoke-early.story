story: a broker that does not know yet whose rights were taken back lets nobody in before it does
covers: live protocol 3.2; f_aut_07
memory-only: looks at the clock

config live_secret=the-secret-of-live-topics

token t for ann {"subscribe": ["*"]}
token u for bob {"subscribe": ["*"]}
live POST /publish {"topic": "a", "key": "k", "data": 1} -> 200
live POST /revoke {"user": "ann"} -> 200
store delays 300ms
broker crashes
ann watches with Authorization="Bearer $t"
bob watches with Authorization="Bearer $u"
bob sends {"type": "subscribe", "topic": "a"}
ann sees nothing for 100ms
bob sees nothing
live GET /topics with authorization="Bearer $u" -> 200
ann sees close 4403 "authorization revoked"
bob sees authorized {user: bob}
bob sees subscribed {snapshot: [{data: 1}]}
