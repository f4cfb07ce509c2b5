story: mail that waits for a member that is removed is dead, in memory or not
covers: mesh protocol 3.10; f_del_05; f_aut_07
limits lane_messages_max=2

mesh garden with ann, bob
ann connects
bob.s1 connects
bob.s1 closes
ann sends 5 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"next",
  "nonce":"","ciphertext":"eA=="}
ann sees 4 times ack {queued: true}
ann sees ack {id: a5, messageId: $m}
ann tells bob.s1 "to the session" as s1
ann sees ack {messageId: $s}
http DELETE /admin/meshes/garden/members/$bob.member with authorization="Bearer $admin" -> 200
metric peermesh_deliveries_settled_total{outcome="dead"} 6
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {delivered: false, recipients: [{status: dead}]}
ann sends {"type":"message_status","messageId":"$s"}
ann sees message_status_result {delivered: false, recipients: [{status: dead}]}
bob greets
bob sees error {code: revoked}
bob sees close 4002 banned
