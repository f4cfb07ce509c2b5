story: a second hello on a connection is refused, and the first one goes on
covers: mesh protocol 2; mesh protocol 3.1

mesh garden with ann, bob
ann connects
bob connects
bob sends {"type":"hello","_reqId":"r1","meshId":"$garden.id","memberId":"$ann.member","pubkey":"$ann.key"}
bob sees error {code: bad_request, _reqId: r1}
bob sends {"type":"session_hello"}
bob sees error {code: bad_request}
bob tells ann "still me"
bob sees ack {queued: true}
ann hears "still me" {senderName: bob, senderMemberPubkey: $bob.key}
