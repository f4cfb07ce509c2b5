story: a broker whose host slept for longer than its lease lasts serves nobody before it knows its meshes are its own, however short that was
covers: mesh protocol 5.4; f_tim_04; f_clu_04
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
clock jumps +4s
bob sends {"type":"set_status","status":"idle"}
bob sees nothing for 100ms
bob hears "held"
