story: with a hook token set, a hook without it changes nothing
covers: mesh protocol 1.3; f_aut_01; f_aut_10
config hook_token=sesame

mesh garden with ann
ann connects with pid=7 cwd=/w
http POST /hook/set-status {"cwd":"/w","pid":7,"status":"working"} -> 401 {error: unauthorized}
http POST /hook/set-status with authorization="Bearer wrong" {"cwd":"/w","pid":7,"status":"working"} -> 401
http POST /hook/set-status with authorization="sesame" {"cwd":"/w","pid":7,"status":"working"} -> 401
http POST /hook/set-status?token=sesame {"cwd":"/w","pid":7,"status":"working"} -> 400 {error: token_in_url}
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{status: idle}]}
http POST /hook/set-status with authorization="Bearer sesame" {"cwd":"/w","pid":7,"status":"working"} -> 200
  {ok: true, !pending}
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{status: working}]}
metric peermesh_rejected_total{reason="bad_token"} 3
