story: a mesh holds so many deliveries and so many bytes, and no more
covers: mesh protocol 3.2; f_dos_02
limits queued_per_mesh_max=3 queued_bytes_per_mesh_max=1024

mesh garden with ann, bob, carl, dora
ann connects
ann tells bob "one" as c1
ann sees ack {id: c1, queued: true}
# Three recipients are three deliveries: all or none.
ann tells * "all" as c2
ann sees ack {id: c2, queued: false, error: ~"retry: queue_full the mesh holds at most 3"}
ann tells bob "x"*800 as c3
ann sees ack {id: c3, queued: false, error: ~"retry: queue_full the mesh in bytes holds at most 1024"}
ann tells carl "two" as c4
ann sees ack {id: c4, queued: true}
bob connects
bob hears "one"
bob acks
bob sees nothing
ann tells bob "x"*400 as c3
ann sees ack {id: c3, queued: true}
