story: no flood of hooks that mean nobody can fill the store
covers: mesh protocol 1.3; f_aut_10
limits pending_statuses_max=2

mesh garden with ann
ann connects with pid=7 cwd=/w
http POST /hook/set-status {"cwd":"/1","status":"working"} -> 200 {ok: true, pending: true}
http POST /hook/set-status {"cwd":"/2","status":"working"} -> 200 {ok: true, pending: true}
http POST /hook/set-status {"cwd":"/3","status":"working"} -> 429 {ok: false, error: "rate limited"}
http POST /hook/set-status {"cwd":"/w","pid":7,"status":"working"} -> 200 {ok: true, presence_id: _}
metric broker_hook_requests_rate_limited_total 1
