story: positions of a topic whose store was restored from an older copy are called otherwise, for they may mean something else
covers: live protocol 4.2; f_top_01; f_sto_14

config live_secret=the-secret-of-live-topics

token t for ann {"subscribe": ["*"]}
live POST /publish {"topic": "a", "key": "k", "data": 1} -> 200 {epoch: $epoch, offset: 1}
store is copied
live POST /publish {"topic": "a", "key": "k", "data": "lost"} -> 200 {epoch: "$epoch", offset: 2}
store is restored
live POST /publish {"topic": "a", "key": "k", "data": 2} -> 200 {epoch: $other, offset: 2}
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a", "recover": {"epoch": "$epoch", "offset": 2}}
ann sees subscribed {epoch: "$other", offset: 2, recovered: false, snapshot: [{key: k, data: 2}]}
