story: an event that alone fails for a quarter of an hour is dead, whichever shards its runner and others live in
covers: runner protocol 4.4; f_evt_01
memory-only: a quarter of an hour

shards 4
config runner_secrets=the-secret-of-runners

r1 runs as r1
r2 runs as r2
target answers 500
r1 sends {"type": "error", "id": "poison"}
target sees with x-event-id=poison
wait 20m
# The target fails on everything, so no event is to blame.
http GET /admin/runners/r1/dead with authorization="Bearer $admin" -> 200 {events: []}
r1 sends {"type": "error", "id": "next"}
target heals
r2 sends {"type": "error", "id": "other"}
metric peermesh_runner_forwards_total{outcome="taken"} 1
target answers 503
wait 90s
http GET /admin/runners/r1/dead with authorization="Bearer $admin" -> 200 {events: [{eventId: poison, reason: poison, status: 503}]}
metric peermesh_runner_events_dead_total{reason="poison"} 1
