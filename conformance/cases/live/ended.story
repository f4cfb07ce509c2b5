story: an operator ends a user's subscriptions to one topic, which are told so, and nothing else of it
covers: live protocol 5.1

config live_secret=the-secret-of-live-topics

token t for ann {"subscribe": ["*"]}
token u for bob {"subscribe": ["*"]}
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed
ann sends {"type": "subscribe", "topic": "b"}
ann sees subscribed
ann#2 streams /events?topic=a with Authorization="Bearer $t"
ann#2 sees subscribed
bob watches with Authorization="Bearer $u"
bob sees authorized
bob sends {"type": "subscribe", "topic": "a"}
bob sees subscribed
live POST /unsubscribe with authorization="Bearer $t" {"user": "bob", "topic": "a"} -> 403 {error: forbidden}
live POST /unsubscribe {"user": "ann"} -> 400
live POST /unsubscribe {"user": "ann", "topic": "a"} -> 200 {unsubscribed: 2}
live POST /unsubscribe {"user": "ann", "topic": "never"} -> 200 {unsubscribed: 0}
ann sees unsubscribed {topic: a, code: ended}
# A stream has nothing else to show.
ann#2 sees unsubscribed {topic: a, code: ended}
ann#2 sees close 1000 disconnected
ann#2 sees end
live POST /publish {"topic": "a", "data": 1} -> 200
live POST /publish {"topic": "b", "data": 2} -> 200
bob sees position {topic: a}
ann sees position {topic: b}
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {offset: 1}
