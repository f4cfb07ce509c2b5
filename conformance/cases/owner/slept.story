story: a broker that may have slept looks whether its meshes are still its own before it seats or serves anybody
covers: mesh protocol 5.4; mesh protocol 2.4; f_tim_04; f_clu_04
limits health_ms=1000
memory-only: the other stage's store has one broker

mesh garden with ann, bob
store says lease_ms=3000
wait 2500ms
bob connects
bob sends {"type":"set_status","status":"working"}
ann connects
ann tells bob "held" as c1
ann sees ack {queued: true}
ann drops
clock jumps +1m
bob sends {"type":"set_status","status":"idle"}
bob sees nothing for 100ms
ann greets
ann sees nothing for 100ms
bob hears "held"
ann sees hello_ack
