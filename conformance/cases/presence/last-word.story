story: of many words said while the store is slow, the last one is what a peer gets back
covers: mesh protocol 2.5; f_dos_01
limits grace_ms=50

mesh garden with ann
ann connects
store delays 50ms
ann sends 200 times {"type":"set_summary","summary":"word $n"}
ann sends {"type":"set_summary","summary":"the last word","_reqId":"r"}
ann sees ack {_reqId: r}
store heals
ann closes
wait 100ms
broker restarts
ann greets
ann sees hello_ack {restored: true, lastSummary: "the last word"}
