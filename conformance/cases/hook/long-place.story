story: a long directory counts as a whole, and is not repeated in the log
covers: mesh protocol 1.3; f_aut_10; f_dos_05
limits hook_rate_per_minute=1
let long = "x"*2000
let brief = "x"*64

http POST /hook/set-status {"cwd":"$long/a","status":"idle"} -> 200 {ok: true}
http POST /hook/set-status {"cwd":"$long/b","status":"idle"} -> 200 {ok: true}
http POST /hook/set-status {"cwd":"$long/a","status":"idle"} -> 429 {ok: false, error: "rate limited"}
log "hook rate limited" {cwd: $brief}
