story: a mesh that changes hands and back keeps its order, because each owner's positions lie above all before
covers: mesh protocol 5.2; f_clu_06; f_acc_15
memory-only: the other stage's store has one broker

mesh garden with ann, bob
mesh orchard with carl, dora
carl connects
dora connects
ann connects
ann tells bob "one" as c1
ann sees ack {queued: true}
rival robs garden
rival repeats "two" as c2
rival dies
# By this the broker learns that it lost the mesh.
ann tells bob "lost" as c0
ann sees ack {error: ~"retry: not_owner"}
ann sees error {code: not_owner}
ann sees close 1013
# Its other mesh never noticed.
carl tells dora "meanwhile" as c1
carl sees ack {queued: true}
dora hears "meanwhile"
ann connects
ann tells bob "three" as c3
ann sees ack {queued: true}
# A key that the other broker accepted is known here.
ann tells bob "two" as c2
ann sees ack {queued: true, !recipients}
bob connects
bob hears "one"
bob hears "two"
bob hears "three"
bob sees nothing
