story: what was lost with the store's history is accepted again once, under the id it had
covers: mesh protocol 8.9; f_sto_14

mesh garden with ann, bob
ann greets
ann sees hello_ack {historyEpoch: $before}
ann tells bob "kept" as c1
ann sees ack {messageId: $kept, duplicate: false}
store is copied
ann greets
ann sees hello_ack {historyEpoch: $before}
ann tells bob "lost" as c2
ann sees ack {messageId: $lost, duplicate: false}
store is restored

# Another history: what came after the copy is not known.
ann greets
ann sees hello_ack {historyEpoch: $after}
http GET /admin/meshes/$garden.slug with authorization="Bearer $admin" -> 200 {history_epoch: $after,
  history_since: _}
ann sends {"type":"message_status","messageId":"$lost","_reqId":"q1"}
ann sees error {code: not_found, _reqId: q1}
ann tells bob "kept" as c1 with message_id=$kept
ann sees ack {messageId: $kept, duplicate: true}
ann tells bob "lost" as c2 with message_id=$lost
ann sees ack {messageId: $lost, duplicate: false}
ann tells bob "lost" as c2 with message_id=$lost
ann sees ack {messageId: $lost, duplicate: true}
ann tells bob "new" as c3
ann sees ack {messageId: $new, duplicate: false}

# The id leads to the message wherever it is used, also after another start.
broker restarts
bob connects
bob hears "kept" {messageId: $kept}
bob hears "lost" {messageId: $lost, client_message_id: c2}
bob hears "new" {messageId: $new}
bob sends {"type":"client_ack","brokerMessageId":"$lost"}
ann connects
ann sends {"type":"message_status","messageId":"$lost","_reqId":"q2"}
ann sees message_status_result {messageId: $lost, delivered: true, recipients: [{name: bob, status: delivered}]}
ann tells bob "lost" as c2
ann sees ack {messageId: $lost, duplicate: true}
