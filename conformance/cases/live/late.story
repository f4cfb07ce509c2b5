story: an older value that comes late stands in the history and never in place of a newer one
covers: live protocol 4.1

config live_secret=the-secret-of-live-topics

token t for ann {"subscribe": ["*"]}
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {offset: 0, snapshot: []}
live POST /publish {"topic": "a", "key": "k", "version": 7, "data": "new"} -> 200
live POST /publish {"topic": "a", "key": "k", "version": 6, "data": "old"} -> 200 {offset: 2}
live POST /publish {"topic": "a", "key": "k", "version": 7, "data": "same"} -> 200 {offset: 3}
ann sees position {offset: 1, version: 7, !late}
ann sees position {offset: 2, version: 6, late: true}
ann sees position {offset: 3, late: true}
live GET /history?topic=a -> 200 {publications: [{data: new}, {data: old, late: true}, {data: same}]}
ann sends {"type": "unsubscribe", "topic": "a"}
ann sees unsubscribed
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {snapshot: [{key: k, data: new}]}
