story: a mesh that another broker took while it was on its way into memory is served to nobody
covers: mesh protocol 5.4; f_tim_04; f_clu_03
limits health_ms=1000 health_answer_ms=5000 mesh_idle_ms=500
memory-only: the other stage's store has one broker

mesh garden with ann
mesh orchard with bob
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
store heals
wait 2500ms

# The doubt is over before it has been read.
store delays 1500ms
bob greets
wait 1600ms
store heals
rival robs orchard
clock jumps +4s
bob sees error {code: not_owner}
bob sees close 1013 not_owner
