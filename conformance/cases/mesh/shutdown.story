story: a broker that is told to stop refuses new work, finishes what it began and says goodbye
covers: mesh protocol 7.2; mesh protocol 9; f_lif_01
limits drain_ms=3000

mesh garden with ann, bob
ann connects
bob connects
store delays 400ms
ann tells bob "before" as c1
ann sees nothing
broker drains
ann tells bob "too late" as c2
ann sees ack {id: c1, queued: true}
ann sees ack {id: c2, queued: false, error: ~"retry: draining"}
ann sees close 1001 "shutting down"
bob sees push
bob sees close 1001 "shutting down"
store heals
broker restarts
bob connects
bob hears "before"
