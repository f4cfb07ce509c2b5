story: of an entity only the latest waits for a slow watcher, in its place and marked
covers: live protocol 4.3; f_net_03; f_top_01
memory-only: what a kernel takes is not to be counted on

config live_secret=the-secret-of-live-topics live_topics=a=conflate
limits live_queue_frames_max=4 send_window_bytes=1024

token t for ann {"subscribe": ["*"]}
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {epoch: $epoch, slow: conflate}
ann stops reading
live POST /publish "{\"topic\": \"a\", \"data\": \"" "x"*1200 "\"}" -> 200
live POST /publish {"topic": "a", "key": "car1", "version": 1, "data": 2} -> 200
live POST /publish {"topic": "a", "key": "car2", "data": 3} -> 200
live POST /publish {"topic": "a", "key": "car1", "version": 2, "data": 4} -> 200
live POST /publish {"topic": "a", "key": "car1", "version": 5, "data": 5} -> 200
live POST /publish {"topic": "a", "key": "car1", "version": 3, "data": 6} -> 200
ann reads again
ann sees position {offset: 1, key: ""}
ann sees position {offset: 5, key: car1, data: 5, conflated: true}
ann sees position {offset: 3, key: car2, !conflated}
ann sees nothing
ann drops
# A position does not say what such a watcher has.
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a", "recover": {"epoch": "$epoch", "offset": 6}}
ann sees subscribed {offset: 6, recovered: false, snapshot: [{key: ""}, {key: car1, data: 5}, {key: car2, data: 3}]}
metric peermesh_live_conflated_total 3
