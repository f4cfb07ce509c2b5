story: of a message to many, those that have not ended are shown first, and no more than a page
covers: mesh protocol 1.7; f_dos_04
limits page_rows_max=2

mesh garden with ann, bob, carl, dora
ann connects
bob connects
ann tells * "all" as c1
ann sees ack {messageId: $m, recipients: 3}
bob hears "all"
bob acks
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
ann asks /v1/messages/$m -> 200 {states: {queued: 2, delivered: 1}, recipients: [{name: carl, state: queued},
  {name: dora, state: queued}]}
# The socket lists them all, as it always did, with nothing more of each.
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {role: sender, recipients: [{name: bob, status: delivered, !state}, {name: carl},
  {name: dora}]}
