story: a push without acknowledgement comes again when its lease ends, though nothing else happens
covers: mesh protocol 5.3; defect 3
limits lease_ms=200

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "one" as c1
ann sees ack
bob hears "one" {messageId: $m}
bob sees nothing for 150ms
bob hears "one" {messageId: $m, client_message_id: c1}
bob acks
bob sees nothing for 300ms
metric peermesh_redeliveries_total 1
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
