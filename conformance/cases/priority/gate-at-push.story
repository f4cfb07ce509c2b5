story: the gate is judged when a message goes out, and again when it comes back
covers: mesh protocol 5.1; f_del_06; f_del_01
limits lease_ms=200

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "in time" as c1
ann sees ack
bob hears "in time"
bob sends {"type":"set_status","status":"working"}
bob sees nothing for 250ms
bob sends {"type":"set_status","status":"idle"}
bob hears "in time"
bob acks
bob sees nothing
