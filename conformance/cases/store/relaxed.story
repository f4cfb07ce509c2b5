story: where what is stored may not survive everything, every answer says so
covers: mesh protocol 3.2; mesh protocol 2.4; f_sto_09
limits health_ms=50
memory-only: the other stage's store is always synced

mesh garden with ann, bob
bob connects
ann greets
ann sees hello_ack {!durability}
ann tells bob "safe" as c1
ann sees ack {id: c1, queued: true, durability: synced}
store says durability=relaxed
wait 100ms
ann tells bob "less so" as c2
ann sees ack {id: c2, queued: true, durability: relaxed}
ann tells nobody "what" as c3 with targetSpec="#none"
ann sees ack {id: c3, queued: false, durability: relaxed}
ann drops
ann greets
ann sees hello_ack {durability: relaxed}
