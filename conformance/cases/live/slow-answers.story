story: the offset with which a slow watcher is closed counts nothing that it is not sent, whatever answers are on their way
covers: live protocol 4.3; f_net_03; f_top_01
memory-only: what a kernel takes is not to be counted on

config live_secret=the-secret-of-live-topics
limits live_queue_frames_max=4 send_window_bytes=1024

token t for ann {"subscribe": ["*"], "history": ["*"]}
live POST /publish "{\"topic\": \"a\", \"data\": \"" "x"*3000 "\"}" -> 200
live POST /publish {"topic": "b", "key": "k", "data": 1} -> 200
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a"}
ann sees subscribed {offset: 1, epoch: $epoch}
ann stops reading
live POST /publish {"topic": "a", "data": 2} -> 200
ann sends {"type": "history", "topic": "a"}
live POST /publish {"topic": "a", "data": 3} -> 200
live POST /publish {"topic": "a", "data": 4} -> 200
live POST /publish {"topic": "a", "data": 5} -> 200
live POST /publish {"topic": "a", "data": 6} -> 200
live POST /publish {"topic": "a", "data": 7} -> 200
live POST /publish {"topic": "a", "data": 8} -> 200
live POST /publish {"topic": "a", "data": 9} -> 200
live POST /publish {"topic": "a", "data": 10} -> 200
live POST /publish {"topic": "a", "data": 11} -> 200
live POST /publish {"topic": "a", "data": 12} -> 200
live POST /publish {"topic": "a", "data": 13} -> 200
live POST /publish {"topic": "a", "data": 14} -> 200
ann reads again
ann sees position {offset: 2}
ann sees history {offset: 2}
ann sees close 4008 {kind: slow_consumer, topic: a, epoch: $epoch, offset: 2}

# Nor does it count what waits behind an answer.
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "a", "recover": {"epoch": "$epoch", "offset": 13}}
ann sees subscribed {recovered: true, publications: [{data: 14}]}
ann stops reading
live POST /publish "{\"topic\": \"a\", \"data\": \"" "x"*1200 "\"}" -> 200
ann sends {"type": "subscribe", "topic": "b"}
live POST /publish {"topic": "b", "data": 2} -> 200
live POST /publish {"topic": "b", "data": 3} -> 200
live POST /publish {"topic": "b", "data": 4} -> 200
live POST /publish {"topic": "b", "data": 5} -> 200
live POST /publish {"topic": "b", "data": 6} -> 200
ann reads again
ann sees position {topic: a, offset: 15}
ann sees subscribed {topic: b, offset: 1, snapshot: [{key: k}]}
ann sees close 4008 {kind: slow_consumer, topic: b, offset: 1}
