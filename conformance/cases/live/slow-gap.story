story: where it is so wished, what does not fit is dropped, and the watcher is told so before anything follows
covers: live protocol 4.3; f_net_03; f_top_01
memory-only: what a kernel takes is not to be counted on

config live_secret=the-secret-of-live-topics live_topics=a=gap
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
live POST /publish {"topic": "a", "data": 7} -> 200
bob sees 7 times position
ann reads again
ann sees position {offset: 1}
ann sees position {offset: 2}
ann sees position {offset: 3}
ann sees position {offset: 4}
ann sees position {offset: 5}
ann sees gap {topic: a, epoch: $epoch, from: 6, to: 7}
live POST /publish {"topic": "a", "data": 8} -> 200
ann sees position {offset: 8}
metric peermesh_live_gaps_total 2
