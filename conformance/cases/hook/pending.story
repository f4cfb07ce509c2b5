story: a hook that comes before its peer waits for a hello of that pid and directory
covers: mesh protocol 1.3; mesh protocol 6.3; f_del_10

mesh garden with ann, bob
bob connects
http POST /hook/set-status {"cwd":"/w","pid":7,"status":"dnd"} -> 200 {ok: true, pending: true}
http POST /hook/set-status {"cwd":"/w","pid":7,"status":"working"} -> 200 {ok: true, pending: true}
ann.s1 connects with pid=8 cwd=/w
ann.s2 connects with pid=7 cwd=/v
ann.s3 connects with pid=7 cwd=/w
# It counts once.
ann.s4 connects with pid=7 cwd=/w
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob, status: idle}, {displayName: ann-s1, status: idle},
  {displayName: ann-s2, status: idle}, {displayName: ann-s3, status: working}, {displayName: ann-s4, status:
  idle}]}
