story: a broker that lost a mesh writes nothing of it any more and sends its peers on, and its other meshes go on
covers: mesh protocol 2.3; mesh protocol 3.2; f_clu_03
memory-only: the other stage's store has one broker

mesh garden with ann, bob
mesh orchard with carl, dora
ann connects
bob connects
carl connects
dora connects
metric broker_connections_active 4
rival robs garden
store delays 20ms
ann tells bob "lost" as c1
carl tells dora "kept" as c1
ann sees ack {id: c1, queued: false, messageId: "", error: "retry: not_owner another broker serves this mesh"}
ann sees error {code: not_owner}
ann sees close 1013 not_owner
bob sees error {code: not_owner}
bob sees close 1013 not_owner
carl sees ack {id: c1, queued: true}
dora hears "kept"
log "mesh lost" {level: warn, mesh_id: $garden.id}
metric broker_connections_active 2
metric peermesh_meshes_resident 1
metric broker_messages_rejected_total{reason="not_owner"} 1
store heals
# The other broker is gone: the mesh is ours again, and what was refused was not stored.
rival dies
ann connects
bob connects
bob sees nothing
ann tells bob "lost" as c1
ann sees ack {id: c1, queued: true}
bob hears "lost"
bob acks
bob sees nothing
