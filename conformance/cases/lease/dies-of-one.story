story: a receiver that dies of one message again and again loses that message and no other
covers: mesh protocol 5.3; f_del_03
limits deliveries_max=3

mesh garden with ann, bob
ann connects
ann tells bob "poison" as c1
ann sees ack {messageId: $m}
ann tells bob "good" as c2
ann tells bob "better" as c3
ann sees 2 times ack
bob connects
bob hears "poison"
bob hears "good"
bob hears "better"
bob drops
bob connects
bob hears "poison"
bob hears "good"
bob hears "better"
bob drops
metric broker_connections_active 1
# The tries were written down.
broker restarts
bob connects
bob hears "poison"
bob hears "good"
bob hears "better"
bob drops
bob connects
bob hears "good"
bob acks
bob hears "better"
bob acks
ann connects
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {recipients: [{status: dead}]}
