story: with the default limits a working status that nobody confirms turns idle and lets held mail through
covers: mesh protocol 6.3; defect 4; f_del_06
long: it waits for a status to outlive its minute

mesh garden with ann, bob
ann connects
bob connects
bob sends {"type":"set_status","status":"working"}
bob sees nothing
ann tells bob "when you can" as c1
ann sees ack {id: c1, queued: true}
bob sees nothing for 59s
wait 17s
bob hears "when you can"
bob acks
