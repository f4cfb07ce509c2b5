story: a mesh that nobody needs leaves the memory, and is all there when somebody comes again
covers: mesh protocol 2.4; mesh protocol 6.4; f_aut_03
limits grace_ms=30 mesh_idle_ms=50

mesh garden with ann, bob
ann connects with groups=[{"name":"red"}]
ann.s1 connects
bob connects
ann tells bob "read me later"
ann sees ack {queued: true}
bob hears "read me later"
ann closes
ann.s1 closes
bob closes
metric peermesh_meshes_resident 0
eve repeats hello of ann
eve sees error {code: replayed}
eve sees close 1008 replayed
ann greets
ann sees hello_ack {restored: true, restoredGroups: [{name: red}]}
ann sends {"type":"list_peers","all":true}
ann sees peers_list {peers: [{displayName: ann, online: true}, {displayName: bob, online: false}]}
ann tells ann.s1 "a key that was seen"
ann sees ack {queued: true}
bob connects
bob hears "read me later"
bob.s1 greets legacy with sessionPubkey=$ann.s1.key
bob.s1 sees error {code: bad_session_pubkey}
bob.s1 sees close 1008 bad_session_pubkey
