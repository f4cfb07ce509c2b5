story: a broker that is told to stop takes nobody in any more, and those who come later than that are told so
covers: mesh protocol 7.2; mesh protocol 9; defect 38; f_lif_01
limits drain_ms=2000

mesh garden with ann, bob, carl
carl opens
dora opens
bob connects
store delays 400ms
bob tells carl "before"
ann greets
wait 100ms
broker drains
carl greets
carl sees close 1001 "shutting down"
bob sees ack {queued: true}
bob sees close 1001 "shutting down"
ann sees close 1001 "shutting down"
dora sees close 1001 "shutting down"
ann sees end
store heals
broker restarts
ann connects
carl connects
carl hears "before"
