story: mail of a mesh that another broker serves expires there and not here
covers: mesh protocol 5.6; f_clu_03
limits message_ttl_ms=400 retention_sweep_ms=100 mesh_idle_ms=50 grace_ms=0
memory-only: the other stage's store has one broker

mesh garden with ann, bob
ann connects
ann tells bob "soon old" as c1
ann sees ack {queued: true}
ann drops
wait 150ms
rival takes garden
wait 1s
metric peermesh_deliveries_settled_total{outcome="expired"} 0
no log "mesh lost"
rival dies
metric peermesh_deliveries_settled_total{outcome="expired"} 1
# What was looked at only for that is not kept from others.
rival takes garden
