story: a message that is pushed too often without an answer is dead, and what follows it goes on
covers: mesh protocol 3.10; f_del_03
limits lease_ms=50 deliveries_max=3

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "poison" as c1
ann sees ack {messageId: $m}
bob hears "poison" {messageId: $m}
bob hears "poison" {messageId: $m}
bob hears "poison" {messageId: $m}
metric peermesh_deliveries_settled_total{outcome="dead"} 1
bob sees nothing for 100ms
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {delivered: false, deliveredAt: null, recipients: [{name: bob, status: dead}]}
ann tells bob "good" as c2
bob hears "good"
bob acks
