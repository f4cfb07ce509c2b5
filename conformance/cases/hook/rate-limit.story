story: hooks of one pid and directory have a limit, which others do not share
covers: mesh protocol 1.3; mesh protocol 7.1; f_aut_10
limits hook_rate_per_minute=2

http POST /hook/set-status {"cwd":"/w","pid":7,"status":"idle"} -> 200 {ok: true, pending: true}
# One that turns out to say nothing counts, too.
http POST /hook/set-status {"cwd":"/w","pid":7} -> 200 {ok: false}
http POST /hook/set-status {"cwd":"/w","pid":7,"status":"idle"} -> 429 {ok: false, error: "rate limited"}
http POST /hook/set-status {"cwd":"/w","pid":8,"status":"idle"} -> 200 {ok: true}
http POST /hook/set-status {"cwd":"/v","pid":7,"status":"idle"} -> 200 {ok: true}
http POST /hook/set-status {"cwd":"/w","status":"idle"} -> 200 {ok: true}
metric broker_hook_requests_total 6
metric broker_hook_requests_rate_limited_total 1
log "hook rate limited" {level: warn, cwd: /w, pid: 7}
