story: sends without a client_message_id are never taken for one another
covers: mesh protocol 3.2; mesh protocol 3.3; mesh protocol 8.2

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "twice" as c1 with !client_message_id
ann sees ack {id: c1, queued: true, messageId: $m1}
ann tells bob "twice" as c1 with client_message_id=""
ann sees ack {id: c1, queued: true, messageId: $m2}
bob hears "twice" {messageId: $m1, !client_message_id}
bob hears "twice" {messageId: $m2, !client_message_id}
ann sends {"type":"message_status","messageId":"$m2"}
ann sees message_status_result {messageId: $m2, delivered: false}
