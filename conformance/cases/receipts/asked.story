story: who asks for a receipt gets the same one with every answer, and nobody else gets one
covers: mesh protocol 8.10; mesh protocol 3.2; f_acc_04

mesh garden with ann, bob
ann greets
ann sees hello_ack {brokerPubkey: $broker, historyEpoch: $epoch}
bob connects
http GET /admin/meshes/$garden.slug with authorization="Bearer $admin" -> 200 {broker_pubkey: $broker}
ann tells bob "one" as c1 with receipt=true request_fingerprint=abc
ann sees ack {messageId: $m1, duplicate: false, !receipt_error, receipt: {sequence: 1, history_epoch: $epoch,
  mesh_id: $garden.id, path: [], previous: "0000000000000000000000000000000000000000000000000000000000000000", signature: $sig1, content: {message_id: $m1,
  client_message_id: c1, sender_member_id: $ann.member, request_fingerprint: abc, accepted_at: $at,
  body_sha256: $body}}}
bob hears "one"
bob acks

# Others stand in no chain.
ann tells bob "two" as c2
ann sees ack {messageId: $m2, !receipt, !receipt_error}
bob hears "two"
bob acks
ann tells bob "two" as c2 with receipt=false
ann sees ack {messageId: $m2, duplicate: true, !receipt, !receipt_error}
ann tells bob "two" as c2 with receipt=true
ann sees ack {messageId: $m2, duplicate: true, !receipt, receipt_error: ~"without a receipt"}

# The chain is the mesh's, whoever asks.
bob tells ann "three" as c1 with receipt=true
bob sees ack {receipt: {sequence: 2, path: [], previous: $link1, signature: $sig2, content: {client_message_id: c1,
  request_fingerprint: null}}}
ann hears "three"
ann acks
ann tells bob "one" as c1 with receipt=true request_fingerprint=abc
ann sees ack {messageId: $m1, duplicate: true, receipt: {sequence: 1, signature: $sig1, content: {accepted_at: $at,
  body_sha256: $body}}}
ann tells bob "one" as c1 with request_fingerprint=abc
ann sees ack {messageId: $m1, duplicate: true, !receipt}

# Also after another start.
broker crashes
ann greets
ann sees hello_ack {brokerPubkey: $broker}
ann tells bob "one" as c1 with receipt=true request_fingerprint=abc
ann sees ack {messageId: $m1, duplicate: true, receipt: {sequence: 1, path: [], signature: $sig1, content: {
  accepted_at: $at, body_sha256: $body, message_id: $m1}}}
ann tells bob "four" as c4 with receipt=true
ann sees ack {receipt: {sequence: 3}}
