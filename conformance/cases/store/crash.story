story: what was acknowledged to its sender survives a crash of the broker, whether or not it was delivered
covers: mesh protocol 5.3; f_acc_04; f_acc_05; f_acc_01; f_acc_02

mesh garden with ann, bob
ann connects
bob connects
bob sends {"type":"set_status","status":"dnd"}
bob sends {"type":"list_peers","_reqId":"done"}
bob sees peers_list {_reqId: done}
ann tells bob "held" as c1
ann sees ack {messageId: $m1}
ann tells bob "out" as c2 with priority="now"
ann sees ack {messageId: $m2}
bob hears "out"
# This one never reaches the store.
store delays 300ms
ann tells bob "unsaid" as c3
ann sees nothing
broker crashes
store heals
bob connects
bob hears "out" {messageId: $m2}
bob hears "held" {messageId: $m1}
ann connects
ann tells bob "held" as c1
ann sees ack {messageId: $m1}
ann tells bob "unsaid" as c3
ann sees ack {queued: true}
bob hears "unsaid"
