story: "next" and "low" wait while a peer is working or not to be disturbed, and come within a moment of its being idle
covers: mesh protocol 5.1; mesh protocol 5.4; defect 4; f_del_06

mesh garden with ann, bob
ann connects
bob connects
bob sends {"type":"set_status","status":"working"}
bob sends {"type":"list_peers","_reqId":"done"}
bob sees peers_list {_reqId: done}
ann tells bob "low" as c1 with priority=low
ann tells bob "next" as c2 with priority=next
ann tells bob "now" as c3 with priority="now"
ann sees 3 times ack {id: "c$n", queued: true, online: 1, messageId: _}
bob hears "now" {priority: now}
bob acks
bob sees nothing
bob sends {"type":"set_status","status":"dnd"}
ann tells bob "now again" as c4 with priority="now"
ann sees ack
bob hears "now again"
bob acks
bob sees nothing
metric broker_messages_routed_total{priority="now"} 2
metric broker_messages_routed_total{priority="low"} 0
bob sends {"type":"set_status","status":"idle"}
bob hears "next" {priority: next}
bob hears "low" {priority: low}
metric broker_messages_routed_total{priority="next"} 1
metric broker_messages_routed_total{priority="low"} 1
