story: whichever shard owns a mesh, its peers come in, meet and are refused as on one
covers: mesh protocol 2.3; mesh protocol 2.4; mesh protocol 6.4
shards 2
limits connections_per_mesh_max=3 grace_ms=80

mesh garden with ann, bob
mesh orchard with carl, dora
mesh meadow with eric, fred
ann connects
bob connects
carl connects
dora connects
eric connects
fred connects
carl.s1 connects
dora.s1 greets
dora.s1 sees error {code: capacity}
dora.s1 sees close 1008 capacity
ann tells bob "garden"
ann sees ack {queued: true}
bob hears "garden"
carl tells dora "orchard"
carl sees ack {queued: true}
dora hears "orchard"
eric tells fred "meadow"
eric sees ack {queued: true}
fred hears "meadow"
carl.s1#2 connects
carl.s1 sees close 1000 session_replaced
gone repeats hello of carl.s1#2
gone sees error {code: replayed}
gone sees close 1008 replayed
carl.s1#2 drops
wait 30ms
gus greets with meshId=$orchard.id
gus sees error {code: unauthorized}
gus sees close 1008 unauthorized
gus greets with meshId=$garden.id
gus sees error {code: unauthorized}
gus sees close 1008 unauthorized
gus greets with meshId=$meadow.id
gus sees error {code: unauthorized}
gus sees close 1008 unauthorized
metric broker_connections_active 6
metric broker_connections_rejected_total{reason="unauthorized"} 3
ann drops
bob sees event peer_left
eric closes
fred sees event peer_left
broker restarts
ann connects
carl connects
eric connects
