story: the status of a message to many lists each recipient with its own fate
covers: mesh protocol 3.10; f_del_04

mesh garden with ann, bob, carl, dora
ann connects
bob connects
carl connects
ann tells * "all" as c1
ann sees ack {messageId: $m, recipients: 3}
bob hears "all"
bob acks
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
carl hears "all"
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {targetSpec: "*", delivered: false, deliveredAt: null, recipients:
  [{name: bob, status: delivered}, {name: carl, status: held}, {name: dora, status: disconnected}]}
# A message that went to nobody was delivered to nobody.
ann tells @nobody "void" as c2
ann sees ack {messageId: $v, recipients: 0}
ann sends {"type":"message_status","messageId":"$v"}
ann sees message_status_result {targetSpec: "@nobody", delivered: false, recipients: []}
