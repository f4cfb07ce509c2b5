story: a hook that waits for its peer waits in the store, and the end of the broker does not end its wait
covers: mesh protocol 1.3; mesh protocol 6.3; f_aut_10

mesh garden with ann, bob
http POST /hook/set-status {"cwd":"/w","pid":7,"status":"working"} -> 200 {ok: true, pending: true}
broker crashes
bob connects
ann connects with pid=7 cwd=/w
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: ann, status: working}]}
