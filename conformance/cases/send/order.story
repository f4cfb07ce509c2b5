story: messages are delivered in the order of their positions, though every commit is in doubt and no window holds two
covers: mesh protocol 5.2; mesh protocol 8.5; f_acc_15; f_acc_07
limits batch_messages_max=1 lane_messages_max=1 unacked_pushes_max=1 commit_retry_ms_min=5 commit_retry_ms_max=10 health_ms=1000

mesh garden with ann, bob
ann connects
bob connects
store forgets replies
ann tells bob "1" as c1
ann tells bob "2" as c2
ann tells bob "3" as c3
wait 60ms
store heals
ann tells bob "4" as c4
ann tells bob "2" as c2 with id=again
ann tells bob "5" as c5
bob hears "1"
bob acks
bob hears "2"
bob acks
bob hears "3"
bob acks
bob hears "4"
bob acks
bob hears "5"
bob acks
bob sees nothing
metric peermesh_messages_accepted_total 5
