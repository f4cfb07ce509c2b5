story: mail of a member that was removed is dead even if the store or the broker failed right then
covers: mesh protocol 3.10; f_del_05; f_sto_10
limits lane_messages_max=1 health_ms=100
error: db ping failed

mesh garden with ann, bob
ann connects
ann sends 4 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"next",
  "nonce":"","ciphertext":"eA=="}
ann sees 3 times ack {queued: true}
ann sees ack {id: a4, messageId: $m}
store delays 300ms
http DELETE /admin/meshes/garden/members/$bob.member with authorization="Bearer $admin" -> 200
broker crashes
store heals
ann connects
metric peermesh_deliveries_settled_total{outcome="dead"} 4
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {delivered: false, recipients: [{status: dead}]}
