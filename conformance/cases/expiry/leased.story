story: a message that is out does not expire, and its acknowledgement counts
covers: mesh protocol 5.5; f_del_08
limits message_ttl_ms=100 retention_sweep_ms=30 lease_ms=400

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "thinking" as c1
ann sees ack {messageId: $m}
bob hears "thinking"
bob sees nothing for 200ms
bob acks
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
metric peermesh_deliveries_settled_total{outcome="expired"} 0
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {delivered: true}
