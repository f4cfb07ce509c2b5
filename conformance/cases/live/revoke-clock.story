story: rights that were taken back stay so when they are taken back again by a clock that fell behind
covers: live protocol 3.2; f_aut_07; f_tim_01
memory-only: real clocks do not jump

config live_secret=the-secret-of-live-topics

token t for ann {"subscribe": ["*"]}
ann watches with Authorization="Bearer $t"
ann sees authorized
live POST /revoke {"user": "ann"} -> 200 {closed: 1}
ann sees close 4403 "authorization revoked"
clock jumps -30m
live POST /revoke {"user": "ann"} -> 200 {closed: 0}
ann#2 watches with Authorization="Bearer $t"
ann#2 sees close 4403 "authorization revoked"
