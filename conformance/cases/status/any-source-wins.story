story: another status takes effect whoever says it, and the last word counts
covers: mesh protocol 6.1; f_del_10

mesh garden with ann
ann connects
http POST /hook/set-status {"cwd":"/home/ann","pid":1,"status":"working"} -> 200 {ok: true}
ann sends {"type":"set_status","status":"idle"}
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{status: idle}]}
http POST /hook/set-status {"cwd":"/home/ann","pid":1,"status":"working"} -> 200 {ok: true}
http POST /hook/set-status {"cwd":"/home/ann","pid":1,"status":"working"} -> 200 {ok: true}
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{status: working}]}
