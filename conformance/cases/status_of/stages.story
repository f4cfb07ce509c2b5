story: the status of a message is true at every stage of its way
covers: mesh protocol 3.10; defect 28
limits lease_ms=60000

mesh garden with ann, bob
ann connects
ann tells bob "hello" as c1
ann sees ack {messageId: $m}
ann sends {"type":"message_status","messageId":"$m","_reqId":"q1"}
ann sees message_status_result {messageId: $m, targetSpec: $bob.key, delivered: false, deliveredAt: null, _reqId: q1,
  recipients: [{name: bob, pubkey: $bob.key, status: disconnected}]}
# A session of the member is there and can take it: the message is held, not gone.
bob.s1 connects
bob.s1 hears "hello"
ann sends {"type":"message_status","messageId":"$m","_reqId":"q2"}
ann sees message_status_result {delivered: false, recipients: [{name: bob, pubkey: $bob.key, status: held}], _reqId: q2}
bob.s1 acks
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {delivered: true, deliveredAt: ~"Z", recipients: [{name: bob, status: delivered}], !_reqId}
broker restarts
ann connects
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {delivered: true, recipients: [{name: bob, status: delivered}]}
