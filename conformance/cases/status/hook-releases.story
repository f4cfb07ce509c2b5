story: a hook that says idle releases what waited
covers: mesh protocol 1.3; mesh protocol 5.4; defect 4; f_del_06

mesh garden with ann, bob
ann connects
bob greets with pid=77 cwd=/w
bob sees hello_ack {presenceId: $p}
http POST /hook/set-status {"cwd":"/w","pid":77,"status":"working"} -> 200 with
  content-type="application/json"
  access-control-allow-origin="*" {ok: true, presence_id: $p, !pending}
ann tells bob "when you can"
ann sees ack {queued: true}
bob sees nothing for 60ms
http POST /hook/set-status {"cwd":"/w","pid":77,"status":"idle","session_id":"x"} -> 200 {ok: true,
  presence_id: $p}
bob hears "when you can"
log "hook" {level: info, route: /hook/set-status, cwd: /w, pid: 77, status: idle, presence_id: $p,
  pending: false, latency_ms: _}
metric broker_hook_requests_total 2
