story: a message that died says of what, one that nobody took that its time was over
covers: mesh protocol 1.7; f_del_05
limits deliveries_max=1 lease_ms=50 message_ttl_ms=400 retention_sweep_ms=20

mesh garden with ann, bob, carl, dora
ann connects
bob connects
ann tells * "all" as c1
ann sees ack {messageId: $m, recipients: 3}
bob hears "all"
http DELETE /admin/meshes/garden/members/carl with authorization="Bearer $admin" -> 200
metric peermesh_deliveries_settled_total{outcome="dead"} 2
metric peermesh_deliveries_settled_total{outcome="expired"} 1
ann asks /v1/messages/$m -> 200 {states: {queued: 0, expired: 1, dead: 2}, !expiresAt, recipients: [
  {name: bob, status: dead, state: dead, reason: attempts, settledAt: ~"Z"},
  {name: carl, status: dead, state: dead, reason: removed, settledAt: ~"Z"},
  {name: dora, status: expired, state: expired, !reason, settledAt: ~"Z"}]}
