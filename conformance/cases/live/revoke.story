story: after the word that a user's rights are taken back nothing reaches it, and its tokens open nothing
covers: live protocol 3.2; f_aut_07

config live_secret=the-secret-of-live-topics

token t for ann {"subscribe": ["*"], "publish": ["*"]}
ann watches with Authorization="Bearer $t"
ann#2 streams /events?topic=a with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed
ann#2 sees subscribed
live POST /revoke with authorization="Bearer $t" {"user": "ann"} -> 403
live POST /revoke {"user": "ann"} -> 200 {closed: 2}
live POST /publish {"topic": "a", "data": 1} -> 200
ann sees close 4403 "authorization revoked"
ann#2 sees close 4403 "authorization revoked"
ann#3 watches with Authorization="Bearer $t"
ann#3 sees close 4403 "authorization revoked"
live POST /publish with authorization="Bearer $t" {"topic": "a", "data": 1} -> 403
broker crashes
wait 50ms
ann#4 watches with Authorization="Bearer $t"
ann#4 sees close 4403 "authorization revoked"
wait 10ms
token fresh for ann {"subscribe": ["*"]}
ann#5 watches with Authorization="Bearer $fresh"
ann#5 sees authorized
live POST /disconnect {"user": "ann"} -> 200 {closed: 1}
ann#5 sees close 1000 disconnected
