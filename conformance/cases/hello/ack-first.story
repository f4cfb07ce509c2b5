story: hello_ack is the first thing a peer hears, whatever it sent meanwhile and whatever waits for it
covers: mesh protocol 2.4; mesh protocol 5.4; defect 22; defect 23

mesh garden with ann, bob, carl
bob connects
bob tells ann "first of all" with priority="now"
bob sees ack {queued: true}
store delays 200ms
ann greets
ann sends {"type":"list_peers","_reqId":"r1"}
ann sends {"type":"set_summary","summary":"x","_reqId":"r2"}
carl greets
ann sees hello_ack {queued: 1}
ann sees peers_list {_reqId: r1}
ann sees ack {_reqId: r2}
ann hears "first of all"
carl sees hello_ack
store heals
ann drops
wait 30ms
# Strictly: no system event comes before it either.
ann connects
ann hears "first of all"
