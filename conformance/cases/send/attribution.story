story: every copy of a message names its sender, live or from the store, to one or to many
covers: mesh protocol 3.3; mesh protocol 4.5; mesh protocol 5.6; defect 24; f_aut_08

mesh garden with ann, bob, carl
ann.s1 connects with displayName="Ann's laptop"
bob connects
ann.s1 tells * "to all" as c1 with request_fingerprint=f1 replyToId=r1
ann.s1 sees ack {messageId: $m, recipients: 2}
bob hears "to all" {type: push, messageId: $m, meshId: $garden.id, senderPubkey: $ann.s1.key, senderMemberPubkey: $ann.key,
  senderMemberId: $ann.member, senderName: "Ann's laptop", priority: next, client_message_id: c1,
  request_fingerprint: f1, replyToId: r1, nonce: _, createdAt: $at, !subtype}
broker restarts
carl connects
carl hears "to all" {type: push, messageId: $m, meshId: $garden.id, senderPubkey: $ann.s1.key, senderMemberPubkey: $ann.key,
  senderMemberId: $ann.member, senderName: "Ann's laptop", priority: next, client_message_id: c1,
  request_fingerprint: f1, replyToId: r1, nonce: _, createdAt: $at, !subtype}
