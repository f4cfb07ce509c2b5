story: a hook that waited too long says nothing any more, and a peer that comes back was not meant
covers: mesh protocol 1.3; mesh protocol 6.3
limits pending_status_ms=150 grace_ms=2000

mesh garden with ann, bob
bob connects
http POST /hook/set-status {"cwd":"/w","pid":7,"status":"working"} -> 200 {pending: true}
wait 250ms
ann connects with pid=7 cwd=/w
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: ann, status: idle}]}
ann drops
wait 30ms
http POST /hook/set-status {"cwd":"/v","pid":7,"status":"working"} -> 200 {pending: true}
ann connects with pid=7 cwd=/v
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: ann, cwd: /v, status: idle}]}
