story: a captured hello is refused for as long as its time would let it pass, on this broker and on the next
covers: mesh protocol 2.3; mesh protocol 7.2; f_aut_03

mesh garden with ann, bob
ann connects
ann.s1 connects
bob connects
eve repeats hello of ann
eve sees error {code: replayed, !id, !_reqId}
eve sees close 1008 replayed
eve sees end
eve#2 repeats hello of ann.s1
eve#2 sees error {code: replayed}
eve#2 sees close 1008 replayed
ann sees nothing
ann.s1 sees nothing
ann.s1 drops
wait 30ms
eve#3 repeats hello of ann.s1
eve#3 sees error {code: replayed}
eve#3 sees close 1008 replayed
metric broker_connections_rejected_total{reason="replayed"} 3
log "hello rejected" {reason: replayed}
log "session_hello rejected" {reason: replayed}

broker restarts
eve#4 repeats hello of ann
eve#4 sees error {code: replayed}
eve#4 sees close 1008 replayed
broker crashes
eve#5 repeats hello of bob
eve#5 sees error {code: replayed}
eve#5 sees close 1008 replayed
ann connects
