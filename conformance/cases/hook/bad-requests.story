story: a hook that says nothing that can be done changes nothing, and keeps nobody out
covers: mesh protocol 1.3; mesh protocol 1.1; defect 16

mesh garden with ann
http POST /hook/set-status "no JSON" -> 500 {ok: false, error: _}
http POST /hook/set-status -> 500 {ok: false, error: _}
http POST /hook/set-status {"status":"idle"} -> 200 {ok: false, error: "cwd and status required"}
http POST /hook/set-status {"cwd":"/w","status":""} -> 200 {ok: false, error: "cwd and status required"}
http POST /hook/set-status {"cwd":5,"status":"idle"} -> 200 {ok: false, error: "cwd and status required"}
http POST /hook/set-status ["cwd"] -> 200 {ok: false, error: "cwd and status required"}
http POST /hook/set-status {"cwd":"/w","pid":7,"status":"asleep"} -> 500 {ok: false, error: ~"status"}
ann connects with pid=7 cwd=/w
http POST /hook/set-status {"cwd":"/w","pid":7,"status":"' OR 1=1"} -> 500 {ok: false, error: ~"status"}
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{status: idle}]}
http GET /hook/set-status -> 404 "not found"
http POST /hook/set-status?x=1 {"cwd":"/w","status":"idle"} -> 404 "not found"
metric broker_hook_requests_total 8
