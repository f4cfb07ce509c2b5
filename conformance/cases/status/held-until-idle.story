story: mail that waits for an idle peer comes as soon as the peer says that it is idle
covers: mesh protocol 5.1; mesh protocol 5.4; defect 4; f_del_06

mesh garden with ann, bob
ann connects
bob connects
bob sends {"type":"set_status","status":"working","_reqId":"r"}
bob sees ack {_reqId: r}
ann tells bob "when you can"
ann sees ack {queued: true}
ann tells bob "whenever" with priority="low"
ann sees ack {queued: true}
ann tells bob "fire" with priority="now"
ann sees ack {queued: true}
bob hears "fire"
bob acks
bob sees nothing for 60ms
bob sends {"type":"set_status","status":"idle"}
bob hears "when you can"
bob hears "whenever"

bob sends {"type":"set_status","status":"dnd","_reqId":"r2"}
bob sees ack {_reqId: r2}
ann tells bob "later"
ann sees ack {queued: true}
bob sees nothing for 60ms
bob sends {"type":"set_status","status":"idle"}
bob hears "later"
