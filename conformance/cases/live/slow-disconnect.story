story: a watcher for whom too much waits is closed with the place to go on from, and misses nothing
covers: live protocol 4.3; f_net_03; f_top_01
memory-only: what a kernel takes is not to be counted on

config live_secret=the-secret-of-live-topics
limits live_queue_frames_max=4 send_window_bytes=1024

token t for ann {"subscribe": ["*"]}
ann watches with Authorization="Bearer $t"
bob watches with Authorization="Bearer $live"
ann sees authorized
bob sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {epoch: $epoch}
bob sends {"type": "subscribe", "topic": "a"}
bob sees subscribed
ann stops reading
live POST /publish "{\"topic\": \"a\", \"data\": \"" "x"*1200 "\"}" -> 200
live POST /publish {"topic": "a", "data": 2} -> 200
live POST /publish {"topic": "a", "data": 3} -> 200
live POST /publish {"topic": "a", "data": 4} -> 200
live POST /publish {"topic": "a", "data": 5} -> 200
live POST /publish {"topic": "a", "data": 6} -> 200
bob sees 6 times position
ann reads again
ann sees position {offset: 1}
ann sees close 4008 {kind: slow_consumer, topic: a, epoch: $epoch, offset: 1}
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a", "recover": {"epoch": "$epoch", "offset": 1}}
ann sees subscribed {recovered: true, publications: [{data: 2}, {data: 3}, {data: 4}, {data: 5}, {data: 6}]}
metric peermesh_live_slow_total{reason="queue"} 1
