story: who comes back gets what was missed, once, or the word that it is gone and what holds
covers: live protocol 4.2; f_top_01

config live_secret=the-secret-of-live-topics
limits live_history_max=3

token t for ann {"subscribe": ["*"], "history": ["*"]}
live POST /publish {"topic": "a", "key": "k", "data": 1} -> 200 {epoch: $epoch}
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {offset: 1}
ann drops
live POST /publish {"topic": "a", "key": "k", "data": 2} -> 200
live POST /publish {"topic": "a", "key": "k", "data": 3} -> 200
live POST /publish {"topic": "a", "key": "k", "data": 4} -> 200
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a", "recover": {"epoch": "$epoch", "offset": 1}}
ann sees subscribed {offset: 4, recovered: true, !snapshot,
  publications: [{offset: 2, data: 2}, {offset: 3, data: 3}, {offset: 4, data: 4}]}
ann sends {"type": "unsubscribe", "topic": "a"}
ann sees unsubscribed
ann sends {"type": "subscribe", "topic": "a", "recover": {"epoch": "$epoch", "offset": 4}}
ann sees subscribed {offset: 4, recovered: true, publications: []}
ann drops
live POST /publish {"topic": "a", "key": "k", "data": 5} -> 200
live POST /publish {"topic": "a", "key": "k", "data": 6} -> 200
live POST /publish {"topic": "a", "key": "k", "data": 7} -> 200
live POST /publish {"topic": "a", "key": "k", "data": 8} -> 200
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a", "recover": {"epoch": "$epoch", "offset": 4}}
ann sees subscribed {offset: 8, recovered: false, !publications, snapshot: [{key: k, offset: 8, data: 8}]}
ann sends {"type": "unsubscribe", "topic": "a"}
ann sees unsubscribed
ann sends {"type": "subscribe", "topic": "a", "recover": {"epoch": "another", "offset": 8}}
ann sees subscribed {recovered: false, snapshot: [{offset: 8}]}
ann sends {"type": "unsubscribe", "topic": "a"}
ann sees unsubscribed
ann sends {"type": "subscribe", "topic": "a", "recover": {"epoch": "$epoch", "offset": 99}}
ann sees subscribed {recovered: false}
metric peermesh_live_recoveries_total{outcome="recovered"} 2
metric peermesh_live_recoveries_total{outcome="missed"} 3
