story: a broker ends in time though its store does not answer
covers: mesh protocol 9; f_lif_01; f_sto_12
limits drain_ms=300 close_ms=100
memory-only: the runtime waits for the store's own threads

mesh garden with ann, bob
ann connects
bob connects
store delays 60s
ann tells bob "in flight" as c1
ann sees nothing
broker drains
ann sees close 1001 "shutting down"
ann sees end
store heals
broker crashes
ann connects
ann tells bob "in flight" as c1
ann sees ack {id: c1, queued: true}
