story: two peers exchange a message
covers: mesh protocol 2.1; mesh protocol 3.2; mesh protocol 3.3; mesh protocol 3.4; mesh protocol 3.10;
  defect 23; defect 24

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "soup?" as c1 with request_fingerprint=abc
ann sees ack {id: c1, queued: true, messageId: $m, !error}
bob hears "soup?" {messageId: $m, meshId: $garden.id, senderPubkey: $ann.key, senderMemberPubkey: $ann.key,
  senderMemberId: $ann.member, senderName: ann, priority: next, client_message_id: c1,
  request_fingerprint: abc, createdAt: ~"Z", !subtype}
ann sends {"type":"message_status","messageId":"$m","_reqId":"r1"}
ann sees message_status_result {_reqId: r1, delivered: false,
  recipients: [{name: bob, pubkey: $bob.key, status: held}]}
bob acks
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
ann sends {"type":"message_status","messageId":"$m","_reqId":"r2"}
ann sees message_status_result {_reqId: r2, delivered: true, recipients: [{name: bob, status: delivered}]}

bob tells ann "with pleasure" as c2
bob sees ack {id: c2, queued: true}
ann hears "with pleasure" {senderPubkey: $bob.key}
ann acks
ann sees nothing
bob sees nothing
