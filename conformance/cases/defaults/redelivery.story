story: with the default limits a push without an acknowledgement comes again after thirty seconds
covers: mesh protocol 5.3; defect 3
long: it waits for a lease of thirty seconds

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "soup?" as c1
ann sees ack {id: c1, queued: true, messageId: $m}
bob hears "soup?" {messageId: $m}
bob sees nothing for 29s
wait 1s
bob hears "soup?" {messageId: $m}
bob acks
bob sees nothing for 31s
