story: what was acknowledged while the store was down is written down later, and never comes again
covers: mesh protocol 3.4; f_sto_10; f_acc_05; f_del_01
limits health_ms=50 lease_ms=200
error: db ping failed

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "one" as c1
ann tells bob "two" as c2
bob hears "one" {messageId: $m1}
bob hears "two" {messageId: $m2}
store fails full
bob acks $m1
bob acks $m2
bob sees nothing for 300ms
# He goes and comes while the store can only be read.
bob drops
metric broker_connections_active 1
bob greets
bob sees error
bob sees close 1013
store heals
bob connects
bob sees nothing for 100ms
metric peermesh_deliveries_settled_total{outcome="delivered"} 2
broker restarts
bob connects
bob sees nothing
