story: what was out when the broker ended comes again at once after its start, and what was acknowledged does not
covers: mesh protocol 5.3; f_acc_05

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "one" as c1
ann tells bob "two" as c2
bob hears "one"
bob acks
bob hears "two" {messageId: $m}
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
broker crashes
bob connects
bob hears "two" {messageId: $m}
bob acks
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
broker crashes
bob connects
bob sees nothing
