story: what a peer sends right behind its hello moves with it to the shard that owns its mesh
covers: mesh protocol 2.4; defect 22; defect 23
shards 4

mesh garden with ann
mesh orchard with bob
mesh meadow with carl
mesh forest with dora
store delays 30ms
ann greets
ann sends {"type":"list_peers","_reqId":"r1"}
ann sends {"type":"list_peers","_reqId":"r2"}
bob greets
bob sends {"type":"list_peers","_reqId":"r1"}
bob sends {"type":"list_peers","_reqId":"r2"}
carl greets
carl sends {"type":"list_peers","_reqId":"r1"}
carl sends {"type":"list_peers","_reqId":"r2"}
dora greets
dora sends {"type":"list_peers","_reqId":"r1"}
dora sends {"type":"list_peers","_reqId":"r2"}
ann sees hello_ack
ann sees peers_list {_reqId: r1}
ann sees peers_list {_reqId: r2}
bob sees hello_ack
bob sees peers_list {_reqId: r1}
bob sees peers_list {_reqId: r2}
carl sees hello_ack
carl sees peers_list {_reqId: r1}
carl sees peers_list {_reqId: r2}
dora sees hello_ack
dora sees peers_list {_reqId: r1}
dora sees peers_list {_reqId: r2}
