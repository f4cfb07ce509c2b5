story: what cannot be read is answered under the name it has, and the connection lives
covers: mesh protocol 3.1; mesh protocol 3.2; mesh protocol 3.14; defect 21

mesh garden with ann, bob
ann connects
ann sends {"type":"send","id":"s1","targetSpec":5,"priority":"now","ciphertext":"YQ=="}
ann sees ack {id: s1, queued: false, messageId: "", error: ~"invalid: schema"}
ann sends {"type":"send","id":"s2","targetSpec":"*","priority":"soon","ciphertext":"YQ=="}
ann sees ack {id: s2, queued: false, error: ~"invalid: schema"}
ann sends {"type":"send","id":"s3","targetSpec":"*"}
ann sees ack {id: s3, queued: false, error: ~"invalid: schema"}
ann sends {"type":"set_status","status":5,"_reqId":"r1"}
ann sees error {code: bad_request, _reqId: r1, id: r1}
ann sends {"type":"set_status","status":"asleep","_reqId":"r2"}
ann sees error {code: invalid_argument, _reqId: r2, id: r2}
ann sends {"type":"topic_create","name":"soup","_reqId":"r3"}
ann sees error {code: not_supported, _reqId: r3, id: r3}
ann sends {"type":"topic_create","name":"soup","id":"i4","_reqId":"r4"}
ann sees error {code: not_supported, _reqId: r4, id: i4}
ann sends {"type":"send","id":"s4","targetSpec":"#soup","ciphertext":"YQ=="}
ann sees ack {id: s4, queued: false, error: ~"invalid: not_supported"}
ann sends {"_reqId":"r5"}
ann sees error {code: bad_request, _reqId: r5}
ann sends {"type":"hello","_reqId":"r6"}
ann sees error {code: bad_request, _reqId: r6}
ann tells bob "still here" as s5
ann sees ack {id: s5, queued: true}
