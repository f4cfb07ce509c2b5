story: a peer says what it does, and may disturb nobody's answer by saying it wrongly
covers: mesh protocol 3.5; mesh protocol 6.1

mesh garden with ann, bob
ann connects
bob connects
ann sends {"type":"set_status","status":"working","_reqId":"r1"}
ann sees ack {id: r1, _reqId: r1, messageId: "", queued: false}
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{status: working}, {status: idle}]}
ann sends {"type":"set_status","status":"asleep","_reqId":"r2"}
ann sees error {code: invalid_argument, _reqId: r2, id: r2}
ann sends {"type":"set_status","status":"dnd"}
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{status: dnd}, {status: idle}]}
ann sends {"type":"set_status","status":"idle"}
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{status: idle}, {status: idle}]}
