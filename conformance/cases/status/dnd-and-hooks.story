story: a hook never ends what the peer itself called not to be disturbed, and a new presence begins idle
covers: mesh protocol 1.3; mesh protocol 6.1; mesh protocol 6.3
limits grace_ms=30

mesh garden with ann, bob
ann connects
bob greets with pid=77 cwd=/w
bob sees hello_ack {presenceId: $p}
bob sends {"type":"set_status","status":"dnd","_reqId":"r"}
bob sees ack {_reqId: r}
http POST /hook/set-status {"cwd":"/w","pid":77,"status":"idle"} -> 200 {ok: true, presence_id: $p}
http POST /hook/set-status {"cwd":"/w","pid":77,"status":"working"} -> 200 {ok: true, presence_id: $p}
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{}, {displayName: bob, status: dnd}]}
bob closes
wait 80ms
bob connects
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{}, {displayName: bob, status: idle}]}
# A hook may begin it, too.
http POST /hook/set-status {"cwd":"/home/bob","pid":1,"status":"dnd"} -> 200 {ok: true}
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{}, {displayName: bob, status: dnd}]}
