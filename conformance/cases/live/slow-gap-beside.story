story: what was dropped of a topic is told as soon as everything before it has left, though another topic never lets the watcher catch up
covers: live protocol 4.3; f_net_03; f_top_01
memory-only: what a kernel takes is not to be counted on

config live_secret=the-secret-of-live-topics live_topics=logs=gap,fleet=conflate
limits live_queue_frames_max=4 send_window_bytes=1024

token t for ann {"subscribe": ["*"]}
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends {"type": "subscribe", "topic": "logs"}
ann sees subscribed {epoch: $epoch}
ann sends {"type": "subscribe", "topic": "fleet"}
ann sees subscribed
ann stops reading
live POST /publish "{\"topic\": \"logs\", \"data\": \"1" "x"*1100 "\"}" -> 200
live POST /publish "{\"topic\": \"logs\", \"data\": \"2" "x"*1100 "\"}" -> 200
live POST /publish "{\"topic\": \"logs\", \"data\": \"3" "x"*1100 "\"}" -> 200
live POST /publish "{\"topic\": \"logs\", \"data\": \"4" "x"*1100 "\"}" -> 200
live POST /publish "{\"topic\": \"logs\", \"data\": \"5" "x"*1100 "\"}" -> 200
live POST /publish {"topic": "logs", "data": 6} -> 200
live POST /publish {"topic": "logs", "data": 7} -> 200
# One of those that wait leaves with every window that is taken, and another comes.
ann reads again
ann stops reading
live POST /publish "{\"topic\": \"fleet\", \"key\": \"k1\", \"data\": \"" "x"*1100 "\"}" -> 200
ann reads again
ann stops reading
live POST /publish "{\"topic\": \"fleet\", \"key\": \"k2\", \"data\": \"" "x"*1100 "\"}" -> 200
ann reads again
ann stops reading
live POST /publish "{\"topic\": \"fleet\", \"key\": \"k3\", \"data\": \"" "x"*1100 "\"}" -> 200
ann reads again
ann stops reading
live POST /publish {"topic": "logs", "data": 8} -> 200
ann reads again
ann sees position {topic: logs, offset: 1}
ann sees position {topic: logs, offset: 2}
ann sees position {topic: logs, offset: 3}
ann sees position {topic: logs, offset: 4}
ann sees position {topic: logs, offset: 5}
ann sees gap {topic: logs, epoch: $epoch, from: 6, to: 7}
ann sees position {topic: fleet, key: k1}
ann sees position {topic: fleet, key: k2}
ann sees position {topic: fleet, key: k3}
ann sees position {topic: logs, offset: 8}
metric peermesh_live_gaps_total 2
