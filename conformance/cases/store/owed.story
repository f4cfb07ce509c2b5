story: what was acknowledged while the store was down is written down later, and never comes again
covers: mesh protocol 3.4; f_sto_10; f_acc_05; f_del_01
error: db ping failed
limits health_ms=600 lease_ms=60000

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "zero" as c0
ann tells bob "one" as c1
ann tells bob "two" as c2
bob hears "zero"
bob hears "one" {messageId: $m1}
bob hears "two" {messageId: $m2}
wait 300ms
store fails full
bob acks $m1
bob acks $m2
bob sees nothing
# He goes and comes before it can be written.
bob drops
metric broker_connections_active 1
store heals
metric broker_db_healthy 1
bob connects
bob hears "zero"
bob acks
bob sees nothing
metric peermesh_deliveries_settled_total{outcome="delivered"} 3
broker restarts
bob connects
bob sees nothing
