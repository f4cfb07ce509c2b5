story: while the store is down sends come back, and afterwards all goes on without a restart
covers: mesh protocol 3.2; mesh protocol 1.4; f_acc_06; f_sto_10; f_clu_01
limits health_ms=50
error: db ping failed

mesh garden with ann, bob
ann connects
bob connects
store fails unavailable
ann tells bob "one" as c1
ann sees ack {id: c1, queued: false, messageId: "", error: ~"retry: store_down"}
metric broker_messages_rejected_total{reason="store"} 1
ann sends {"type":"message_status","messageId":"00000000","_reqId":"q"}
ann sees error {_reqId: q, code: unavailable}
# What needs no store still works.
ann sends {"type":"list_peers","_reqId":"r"}
ann sees peers_list {_reqId: r}
bob sees nothing
metric broker_db_healthy 0
store heals
metric broker_db_healthy 1
ann tells bob "one" as c1
ann sees ack {id: c1, queued: true, messageId: $m}
bob hears "one" {messageId: $m}
bob acks
bob sees nothing
