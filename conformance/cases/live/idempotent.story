story: a publication that is sent again under its key stands once, and another one under it is refused
covers: live protocol 4.5

config live_secret=the-secret-of-live-topics
limits live_keys_ms=500

live POST /publish {"topic": "a", "data": 1, "idempotency_key": "k"} -> 200 {offset: 1, duplicate: false}
live POST /publish {"topic": "a", "data": 1, "idempotency_key": "k"} -> 200 {offset: 1, duplicate: true}
live POST /publish {"topic": "a", "data": 2, "idempotency_key": "k"} -> 409 {error: idempotency-conflict}
live POST /publish {"topic": "b", "data": 2, "idempotency_key": "k"} -> 200 {offset: 1, duplicate: false}
live POST /publish {"topic": "a", "data": 3, "idempotency_key": "j"} -> 200 {offset: 2, duplicate: false}
live POST /publish {"topic": "a", "data": 3, "idempotency_key": "j"} -> 200 {offset: 2, duplicate: true}
# An outcome that nobody knows is asked for until it is known: it stands once.
ann watches with Authorization="Bearer $live"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed
store forgets replies
ann sends {"type": "publish", "topic": "a", "data": 4, "idempotency_key": "i", "id": "1"}
ann sends {"type": "publish", "topic": "a", "data": 4, "idempotency_key": "i", "id": "2"}
ann sends {"type": "publish", "topic": "a", "data": 5, "idempotency_key": "i", "id": "3"}
ann sees error {id: "3", code: idempotency-conflict}
ann sees nothing
store heals
ann sees published {id: "1", offset: 3, duplicate: false}
ann sees published {id: "2", offset: 3, duplicate: true}
ann sees position {offset: 3, data: 4}
wait 600ms
live POST /publish {"topic": "a", "data": 2, "idempotency_key": "k"} -> 200 {offset: 4, duplicate: false}
metric peermesh_live_duplicates_total 3
