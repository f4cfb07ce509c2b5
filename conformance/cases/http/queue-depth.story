story: the metrics page shows how much waits, also after a restart
covers: mesh protocol 1.4; defect 40
limits depth_ms=50

mesh garden with ann, bob
ann connects
ann tells bob "one"
ann sees ack {queued: true}
ann tells bob "two"
ann sees ack {queued: true}
metric broker_queue_depth 2
broker restarts
metric broker_queue_depth 2
bob connects
bob hears "one"
bob acks
bob hears "two"
bob acks
metric broker_queue_depth 0
