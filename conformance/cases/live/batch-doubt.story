story: a batch whose outcome nobody knows stands once or not at all, and one that is refused leaves nothing
covers: live protocol 4.5; f_acc_07; f_top_01
error: db ping failed

config live_secret=the-secret-of-live-topics

ann watches with Authorization="Bearer $live"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {offset: 0}
store forgets replies
ann sends {"type": "publish", "topic": "a", "idempotency_key": "k", "id": "1", "batch": [
    {"key": "x", "version": 2, "data": 1}, {"key": "x", "version": 1, "data": 2}, {"data": 3}]}
ann sends {"type": "publish", "topic": "a", "idempotency_key": "k", "id": "2", "batch": [
    {"key": "x", "version": 2, "data": 1}, {"key": "x", "version": 1, "data": 2}, {"data": 3}]}
ann sees nothing
store heals
ann sees published {id: "1", offset: 3, count: 3, duplicate: false}
ann sees published {id: "2", offset: 3, count: 3, duplicate: true}
ann sees position {offset: 1, data: 1, !late}
ann sees position {offset: 2, data: 2, late: true}
ann sees position {offset: 3, data: 3}
store fails unavailable
ann sends {"type": "publish", "topic": "a", "id": "3", "batch": [{"data": 4}, {"data": 5}]}
ann sees error {id: "3", code: unavailable}
store heals
live POST /publish {"topic": "a", "data": 6} -> 200 {offset: 4}
ann sees position {offset: 4, data: 6}
