story: a broker that drains refuses sends in words that bring them back
covers: mesh protocol 3.2; f_lif_01
limits drain_ms=2000

mesh garden with ann, bob
ann connects
bob connects
store delays 400ms
ann tells bob "first" as c0
ann sees nothing
broker drains
ann tells bob "late" as c1
# Whether the key was accepted before is known only after what came before it.
ann sees ack {id: c0, queued: true, messageId: $m0}
ann sees ack {id: c1, queued: false, messageId: "", error: ~"retry: draining"}
ann sees close 1001 "shutting down"
store heals
broker restarts
ann connects
ann tells bob "late" as c1
ann sees ack {id: c1, queued: true}
