story: a message that waits for its recipient's status says so, and for which one
covers: mesh protocol 1.7; mesh protocol 5.1

mesh garden with ann, bob
ann connects
bob connects
bob sends {"type":"set_status","status":"working","_reqId":"s"}
bob sees ack {id: s}
ann tells bob "later" as c1
ann sees ack {messageId: $m}
ann asks /v1/messages/$m -> 200 {recipients: [{state: queued, reason: status, recipientStatus: working, ahead: 0,
  attempts: 0, status: held}]}
# It is not the only one, and not the first.
ann tells bob "much later" as c2
ann sees ack {messageId: $n}
ann asks /v1/messages/$n -> 200 {recipients: [{reason: status, recipientStatus: working, ahead: 1}]}
bob sends {"type":"set_status","status":"dnd","_reqId":"s"}
bob sees ack {id: s}
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {delivered: false, role: sender, priority: next, acceptedAt: ~"Z", expiresAt: ~"Z",
  recipients: [{name: bob, status: held, state: queued, reason: status, recipientStatus: dnd}]}
bob sends {"type":"set_status","status":"idle","_reqId":"s"}
bob hears "later"
bob hears "much later"
bob sees ack {id: s}
ann asks /v1/messages/$m -> 200 {recipients: [{state: leased, reason: lease}]}
