story: watchers are let in at a bounded rate, and who is not is told to come back
covers: live protocol 2.6; live protocol 5.2

config live_secret=the-secret-of-live-topics
limits live_accepts_per_minute_max=120

token t for ann {"subscribe": ["*"]}
ann watches with Authorization="Bearer $t"
ann sees authorized
ann#2 watches with Authorization="Bearer $t"
ann#2 sees authorized
ann#3 watches with Authorization="Bearer $t"
ann#3 sees close 1013 overloaded
live GET /events?topic=a with authorization="Bearer $t" -> 429 {error: rate-limited}
wait 600ms
ann#3 watches with Authorization="Bearer $t"
ann#3 sees authorized
