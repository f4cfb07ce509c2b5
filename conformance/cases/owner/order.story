story: a mesh that changes hands keeps its order, because the newest owner's positions lie above all before
covers: mesh protocol 5.4; f_clu_06
limits mesh_idle_ms=100
memory-only: the other stage's store has one broker

mesh garden with ann, bob
mesh orchard with carl, dora
carl connects
ann connects
ann tells bob "one" as c1
ann sees ack {queued: true}
ann drops
rival robs garden
rival dies
# Ours again, after somebody else may have leased positions.
ann connects
ann tells bob "two" as c2
ann sees ack {queued: true}
carl tells dora "meanwhile" as c1
carl sees ack {queued: true}
bob connects
bob hears "one"
bob hears "two"
