story: a watcher is shown the latest of every entity, and then every publication, once
covers: live protocol 3.3; live protocol 4.1

config live_secret=the-secret-of-live-topics

live POST /publish {"topic": "fleet", "key": "car1", "data": {"x": 1}} -> 200 {epoch: $epoch, offset: 1, duplicate: false}
live POST /publish {"topic": "fleet", "key": "car2", "data": {"x": 5}} -> 200 {offset: 2}
live POST /publish {"topic": "fleet", "key": "car1", "data": {"x": 2}} -> 200 {epoch: $epoch, offset: 3}
token anns for ann {"subscribe": ["fleet*"]}
ann watches with Authorization="Bearer $anns"
ann sees authorized {user: ann}
ann sends {"type": "subscribe", "topic": "fleet", "id": "s1"}
ann sees subscribed {id: s1, topic: fleet, epoch: $epoch, offset: 3, slow: disconnect, !recovered,
  snapshot: [{key: car1, offset: 3, data: {x: 2}}, {key: car2, offset: 2, data: {x: 5}}]}
live POST /publish {"topic": "fleet", "key": "car2", "data": null} -> 200 {offset: 4}
live POST /publish {"topic": "fleet", "data": "for all"} -> 200 {offset: 5}
ann sees position {topic: fleet, offset: 4, key: car2, data: null, !late, !conflated}
ann sees position {topic: fleet, offset: 5, !key, data: "for all"}
ann sends {"type": "subscribe", "topic": "fleet", "id": "s2"}
ann sees error {code: already-subscribed, id: s2, topic: fleet}
ann sends {"type": "unsubscribe", "topic": "fleet", "id": "u1"}
ann sees unsubscribed {id: u1, topic: fleet, !code}
live POST /publish {"topic": "fleet", "data": 6} -> 200 {offset: 6}
ann sees nothing
ann sends {"type": "subscribe", "topic": "fleet"}
ann sees subscribed {offset: 6, snapshot: [{key: car1}]}
metric processor_live_subscriptions{instance_id="story"} 1
metric peermesh_live_publications_total 6
