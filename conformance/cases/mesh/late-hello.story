story: a broker that is stopping lets nobody in
covers: mesh protocol 9.1; f_lif_01
memory-only: the hello has to meet the drain half done

mesh garden with ann, bob
bob connects
ann opens
store delays 200ms
bob tells ann "one last word"
wait 20ms
broker drains
ann greets
ann sees close 1001 "shutting down"
bob sees ack {queued: true}
bob sees no event peer_joined
bob sees close 1001 "shutting down"
