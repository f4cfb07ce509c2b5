story: a request goes to the shard that owns the mesh, whichever that is
covers: mesh protocol 1.7
shards 4

mesh garden with ann, bob
mesh orchard with carl, dora
mesh desert with eve, fred
ann connects
carl connects
eve connects
ann tells bob "hello" as c1
ann sees ack {messageId: $m1}
carl tells dora "hello" as c1 with mentions=["dora"]
carl sees ack {messageId: $m2}
eve tells fred "hello" as c1
eve sees ack {messageId: $m3}
ann asks /v1/messages/$m1 -> 200 {meshId: $garden.id}
carl asks /v1/messages/$m2 -> 200 {meshId: $orchard.id}
eve asks /v1/messages/$m3 -> 200 {meshId: $desert.id}
ann asks /v1/messages/$m2 -> 404
dora asks /v1/mentions -> 200 {mentions: [{messageId: $m2}]}
