story: mail that its taker wrote itself goes to another connection of the member only past that connection's own gate
covers: mesh protocol 4.3; mesh protocol 5

mesh garden with ann
ann.s2 connects
ann.s2 sends {"type":"set_status","status":"dnd","_reqId":"r1"}
ann.s2 sees ack {_reqId: r1}
ann.s1 connects
ann.s1 tells $ann.key "do not disturb" as c1
ann.s1 sees ack {id: c1, queued: true}
ann.s2 sees nothing
ann.s1 tells $ann.key "unless it burns" as c2 with priority="now"
ann.s1 sees ack {id: c2, queued: true}
ann.s2 hears "unless it burns"
ann.s2 acks
ann.s2 sends {"type":"set_status","status":"idle","_reqId":"r2"}
ann.s2 hears "do not disturb"
ann.s2 acks
ann.s2 sees ack {_reqId: r2}
