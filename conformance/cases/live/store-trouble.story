story: what the store refuses is told to nobody, and leaves no hole
covers: live protocol 4.5; f_sto_01
error: db ping failed

config live_secret=the-secret-of-live-topics

ann watches with Authorization="Bearer $live"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed
live POST /publish {"topic": "a", "data": 1} -> 200
ann sees position {offset: 1}
store fails full
live POST /publish {"topic": "a", "data": 2} -> 503 {error: unavailable}
live POST /publish {"topic": "b", "data": 2} -> 503 {error: unavailable}
ann sees nothing
store heals
live POST /publish {"topic": "a", "data": 3} -> 200 {offset: 2}
ann sees position {offset: 2, data: 3}
live POST /publish {"topic": "b", "data": 3} -> 200 {offset: 1}
