story: an event that the target did not take in all its time is dead
covers: runner protocol 4.4
memory-only: ten minutes

config runner_secrets=the-secret-of-runners
limits runner_event_age_ms=600000

target is down
r1 runs as r1
r1 sends {"type": "error", "id": "e1"}
wait 9m
http GET /admin/runners/r1/dead with authorization="Bearer $admin" -> 200 {events: []}
wait 3m
http GET /admin/runners/r1/dead with authorization="Bearer $admin" -> 200 {events: [{eventId: e1, reason: too_old, status: null}]}
