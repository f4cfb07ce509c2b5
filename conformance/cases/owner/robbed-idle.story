story: a peer that says nothing is sent on too when its mesh was taken while its broker was cut off from its store
covers: mesh protocol 2.3; f_tim_04; f_clu_03
limits health_ms=50
error: db ping failed
memory-only: the other stage's store has one broker

mesh garden with ann, bob
mesh orchard with carl, dora
store says lease_ms=200
wait 100ms
bob connects
carl connects
store fails unavailable
wait 300ms
rival robs garden
store heals
bob sees error {code: not_owner}
bob sees close 1013 not_owner
log "mesh lost" {level: warn, mesh_id: $garden.id}
# The other mesh is still ours, and is served on.
dora connects
dora tells carl "still here" as c1
carl hears "still here"
