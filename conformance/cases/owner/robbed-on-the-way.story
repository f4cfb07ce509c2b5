story: a mesh that another broker took while it was on its way into memory is served to nobody
covers: mesh protocol 5.4; f_tim_04; f_clu_03
limits health_ms=1000 mesh_idle_ms=500
memory-only: the other stage's store has one broker

mesh garden with ann
store says lease_ms=3000
wait 2500ms
store delays 200ms
ann greets
# It is claimed, and being read.
wait 300ms
rival robs garden
clock jumps +4s
ann sees error {code: not_owner}
ann sees close 1013 not_owner
