story: an entry in grace never refuses a newcomer: the oldest one makes room
covers: mesh protocol 6.4; mesh protocol 7.1; defect 19
limits connections_per_mesh_max=3

mesh garden with ann, bob, carl, dora, eric
ann connects
bob connects
carl connects
bob closes
carl closes
dora connects
ann sees event peer_left {eventData: {name: bob, pubkey: $bob.key}}
ann sees no event peer_left
# Carl comes back to its own entry, although the mesh is full.
carl connects
eric greets
eric sees error {code: capacity}
eric sees close 1008 capacity
metric broker_connections_active 3
