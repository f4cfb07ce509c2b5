story: a clock that is set back makes nothing of a runner's old once it is right again, and puts no blame on an event
covers: runner protocol 4.4; f_tim_01; f_evt_01
memory-only: real clocks do not jump

config runner_secrets=the-secret-of-runners

r1 runs as r1
r2 runs as r2
clock jumps -11520m
target answers 400
r1 sends {"type": "error", "id": "dead"}
target sees with x-event-id=dead
clock jumps +11520m
wait 40s
http GET /admin/runners/r1/dead with authorization="Bearer $admin" -> 200 {events: [{eventId: dead, reason: refused, seq: $seq}]}
clock jumps -6000m
target answers 500
http POST /admin/runners/r1/dead/$seq/requeue with authorization="Bearer $admin" -> 200
target sees with x-event-id=dead
clock jumps +6000m
wait 2m
http GET /admin/runners/r1/dead with authorization="Bearer $admin" -> 200 {events: []}
target heals
wait 2m
# What the target took before is no proof that it would take another one now.
r2 sends {"type": "error", "id": "taken"}
metric peermesh_runner_forwards_total{outcome="taken"} 2
clock jumps -60m
target answers 500
r1 sends {"type": "error", "id": "poison"}
wait 30m
http GET /admin/runners/r1/dead with authorization="Bearer $admin" -> 200 {events: []}
