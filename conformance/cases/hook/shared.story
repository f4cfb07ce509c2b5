story: a hook that came to another broker of the same store finds the peer that is connected here
covers: mesh protocol 1.3; f_clu_02; f_clu_05; f_aut_10
limits health_ms=50 hook_sweep_ms=100
shards 2
memory-only: the other stage's store has one broker

mesh garden with ann, bob
mesh orchard with carl
store says lease_ms=6000
ann connects with pid=7 cwd=/w
bob connects
carl connects with pid=9 cwd=/c
rival keeps hook working 7 /w
rival keeps hook dnd 9 /c
# Nobody's, and somebody else's by the time it is looked at.
rival keeps hook working 1 /nowhere
wait 250ms
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: ann, status: working}, {displayName: bob, status: idle}]}
carl sends {"type":"list_peers"}
carl sees peers_list {peers: [{displayName: carl, status: dnd}]}
# Each counts once, and not if another broker was faster.
ann sends {"type":"set_status","status":"idle"}
rival keeps hook working 7 /w
rival applies hook 4
wait 250ms
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: ann, status: idle}, {displayName: bob, status: idle}]}
