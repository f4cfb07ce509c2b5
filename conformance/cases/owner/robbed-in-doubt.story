story: what was taken from a broker while it was cut off from its store is lost to it before it pushes anything
covers: mesh protocol 5.4; f_tim_04; f_clu_04; f_clu_03
limits health_ms=50 lease_ms=400
error: db ping failed
memory-only: the other stage's store has one broker

mesh garden with ann, bob
store says lease_ms=200
wait 100ms
ann connects
bob connects
ann tells bob "once" as c1
ann sees ack {queued: true}
bob hears "once"
store fails unavailable
wait 300ms
rival robs garden
# His lease here ends, but the other broker may have lent it by then.
bob sees nothing for 300ms
bob acks
store heals
bob sees error {code: not_owner}
bob sees close 1013 not_owner
log "mesh lost"
