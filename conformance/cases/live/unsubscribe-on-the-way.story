story: who unsubscribes while its topic is on its way has subscribed before, and gets nothing after the word
covers: live protocol 3.3
memory-only: a topic must be on its way
error: db ping failed

config live_secret=the-secret-of-live-topics

ann watches with Authorization="Bearer $live"
ann sees authorized
store delays 200ms
ann sends {"type": "subscribe", "topic": "a", "id": "1"}
ann sends {"type": "unsubscribe", "topic": "a", "id": "2"}
ann sends {"type": "subscribe", "topic": "b", "id": "3"}
ann sends {"type": "unsubscribe", "topic": "b", "id": "4"}
ann sends {"type": "subscribe", "topic": "b", "id": "5"}
ann sees subscribed {id: "1", topic: a}
ann sees unsubscribed {id: "2", topic: a}
ann sees subscribed {id: "3", topic: b}
ann sees unsubscribed {id: "4", topic: b}
ann sees subscribed {id: "5", topic: b}
store heals
live POST /publish {"topic": "a", "data": 1} -> 200
live POST /publish {"topic": "b", "data": 2} -> 200
ann sees position {topic: b, data: 2}
ann sees nothing
ann sends {"type": "unsubscribe", "topic": "nothing", "id": "6"}
ann sees unsubscribed {id: "6", topic: nothing}
store fails unavailable
ann sends {"type": "subscribe", "topic": "c", "id": "7"}
ann sends {"type": "unsubscribe", "topic": "c", "id": "8"}
ann sees error {id: "7", topic: c, code: unavailable}
ann sees unsubscribed {id: "8", topic: c}
