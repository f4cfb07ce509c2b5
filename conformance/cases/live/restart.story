story: a restart keeps positions and values, because everything told was written first
covers: live protocol 4.2; live protocol 4.5; f_top_01

config live_secret=the-secret-of-live-topics live_topics=memory.*=disconnect:volatile

live POST /publish {"topic": "a", "key": "k", "version": 5, "data": 1} -> 200 {epoch: $epoch, offset: 1}
live POST /publish {"topic": "a", "key": "gone", "data": 1} -> 200
live POST /publish {"topic": "a", "key": "gone", "data": null} -> 200
live POST /publish {"topic": "a", "data": "x", "idempotency_key": "once"} -> 200 {offset: 4, duplicate: false}
live POST /publish {"topic": "memory.a", "data": 1} -> 200 {epoch: $other, offset: 1}
broker crashes
live POST /publish {"topic": "a", "data": "x", "idempotency_key": "once"} -> 200 {epoch: $epoch, offset: 4, duplicate: true}
live POST /publish {"topic": "a", "key": "k", "version": 4, "data": 0} -> 200 {offset: 5}
token t for ann {"subscribe": ["*"]}
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a", "recover": {"epoch": "$epoch", "offset": 1}}
ann sees subscribed {epoch: $epoch, offset: 5, recovered: true,
  publications: [{offset: 2}, {offset: 3, data: null}, {offset: 4}, {offset: 5, late: true}]}
ann sends {"type": "unsubscribe", "topic": "a"}
ann sees unsubscribed
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {snapshot: [{key: k, version: 5, data: 1}]}
# What lives in memory only is gone, and says so.
ann sends {"type": "subscribe", "topic": "memory.a", "recover": {"epoch": "$other", "offset": 1}}
ann sees subscribed {offset: 0, recovered: false, snapshot: []}
