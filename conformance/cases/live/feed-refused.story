story: a row of the feed that the store refuses goes ahead of those behind it, though one was on its way already
covers: live protocol 5.3; f_sto_01; f_top_01
memory-only: the other stages' store has no feed

config live_secret=the-secret-of-live-topics live_feed=on

ann watches with Authorization="Bearer $live"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {offset: 0}
store delays 300ms
feed {"topic": "a", "data": 1}
wait 450ms
# The first row's write is on its way; the second's waits behind it.
store refuses one write
feed {"topic": "a", "data": 2}
feed {"topic": "a", "data": 3}
ann sees position {offset: 1, data: 1}
ann sees position {offset: 2, data: 2}
ann sees position {offset: 3, data: 3}
ann sees nothing
store forgets replies
feed {"topic": "a", "data": 4}
feed {"topic": "a", "data": 5}
wait 300ms
store heals
ann sees position {offset: 4, data: 4}
ann sees position {offset: 5, data: 5}
store loses commits
feed {"topic": "a", "data": 6}
wait 300ms
store heals
ann sees position {offset: 6, data: 6}
ann sees nothing
broker crashes
live GET /history?topic=a -> 200
wait 1500ms
live GET /history?topic=a -> 200 {offset: 6}
