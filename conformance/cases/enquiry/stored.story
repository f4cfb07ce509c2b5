story: a message whose lane is too long for memory waits behind others, however many they are
covers: mesh protocol 1.7; mesh protocol 5.3
limits unacked_pushes_max=1 lane_messages_max=2 lease_ms=60000

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "1" as c1
ann sees ack
ann tells bob "2" as c2
ann sees ack
ann tells bob "3" as c3
ann sees ack
ann tells bob "4" as c4
ann sees ack
ann tells bob "5" as c5
ann sees ack {messageId: $m5}
bob hears "1"
ann asks /v1/messages/$m5 -> 200 {recipients: [{state: queued, reason: lane, !ahead, attempts: 0}]}
