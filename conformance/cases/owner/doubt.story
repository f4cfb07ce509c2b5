story: while it is in doubt whether a mesh is still ours nothing of it is pushed, and afterwards all of it is
covers: mesh protocol 5.4; f_tim_04; f_clu_04
limits health_ms=50
error: db ping failed
memory-only: the other stage's store has one broker

mesh garden with ann, bob
store says lease_ms=200
wait 100ms
ann connects
bob connects
bob sends {"type":"set_status","status":"working"}
ann tells bob "held" as c1
ann sees ack {queued: true}
store fails unavailable
bob sees nothing for 250ms
bob sends {"type":"set_status","status":"idle"}
bob sees nothing for 250ms
store heals
bob hears "held"
bob acks
bob sees nothing
