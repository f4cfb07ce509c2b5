story: what the target refuses for good goes to the dead with its reason, and an operator can put it back
covers: runner protocol 4.4; f_evt_02

config runner_secrets=the-secret-of-runners

target answers 400
r1 runs as r1
r1 sends {"type": "error", "id": "e1", "error": "odd"}
target sees with x-event-id=e1
log "runner event dead" {runner_id: r1, event_id: e1, event_type: error, reason: refused, status: 400}
target heals
r1 sends {"type": "error", "id": "e2"}
target sees with x-event-id=e2
http GET /admin/runners/r1/dead with authorization="Bearer $admin"
  -> 200 {events: [{seq: $seq, eventId: e1, type: error, reason: refused, status: 400, attempts: 1}]}
http GET /admin/runners with authorization="Bearer $admin" -> 200 {runners: [{runnerId: r1, dead: 1}]}
http POST /admin/runners/r1/dead/$seq/requeue -> 401
http POST /admin/runners/r1/dead/$seq/requeue with authorization="Bearer $admin" -> 200 {ok: true}
target sees with x-event-id=e1 {error: odd}
http POST /admin/runners/r1/dead/$seq/requeue with authorization="Bearer $admin" -> 404
http GET /admin/runners/r1/dead with authorization="Bearer $admin" -> 200 {events: []}
metric peermesh_runner_events_dead_total{reason="refused"} 1
