story: a watcher is told that its token runs out though the clock was set back before that was due
covers: live protocol 3.2; f_tim_01
memory-only: real clocks do not jump

config live_secret=the-secret-of-live-topics
limits live_refresh_ms=400

token first for ann lasting 2s {"subscribe": ["a"]}
ann watches with Authorization="Bearer $first"
ann sees authorized
clock jumps -1s
ann sees nothing for 2400ms
ann sees refresh {within_ms: _}
ann sees close 4401 "token expired"
