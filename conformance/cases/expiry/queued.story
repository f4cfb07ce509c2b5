story: mail that nobody took in time expires, and its sender can see that
covers: mesh protocol 5.5; mesh protocol 3.10; f_del_08; defect 36
limits message_ttl_ms=150 retention_sweep_ms=40

mesh garden with ann, bob
ann connects
bob connects
bob sends {"type":"set_status","status":"working"}
bob sends {"type":"list_peers","_reqId":"done"}
bob sees peers_list {_reqId: done}
ann tells bob "held too long" as c1
ann sees ack {messageId: $m}
metric peermesh_deliveries_settled_total{outcome="expired"} 1
bob sends {"type":"set_status","status":"idle"}
bob sends {"type":"list_peers","_reqId":"done"}
bob sees peers_list {_reqId: done}
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {delivered: false, deliveredAt: null, recipients: [{name: bob, status: expired}]}
ann tells bob "fresh" as c2
bob hears "fresh"
