story: a clock that jumps ahead makes nothing of a runner's old: no key, no event id, no event, no queued command
covers: runner protocol 3.2; runner protocol 3.4; runner protocol 4.4; f_tim_01; f_cmd_02; f_evt_01
memory-only: real clocks do not jump
config runner_secrets=the-secret-of-runners

r1 runs as r1
runners POST /commands with idempotency-key=k1 {"runnerId": "r1", "command": {"type": "start-build"}}
  -> 200 {ok: true, commandId: $id, state: sent}
r1 sees start-build {id: $id}
r1 sends {"type": "build-completed", "id": "e1"}
r1 sees event-ack {eventId: e1}
target sees {id: e1}
target is down
r1 sends {"type": "build-completed", "id": "e2"}
r1 sees event-ack {eventId: e2}
r1 drops
runners POST /commands?queue=600000 {"runnerId": "r1", "command": {"type": "stop-tunnel", "id": "later"}} -> 202
clock jumps +6000000m
wait 90s
http GET /admin/runners/r1/dead with authorization="Bearer $admin" -> 200 {events: []}
r1 runs as r1
r1 sees stop-tunnel {id: later}
runners POST /commands with idempotency-key=k1 {"runnerId": "r1", "command": {"type": "start-build"}}
  -> 200 {ok: true, commandId: $id, state: sent}
target heals
wait 90s
target sees {id: e2}
r1 sends {"type": "build-completed", "id": "e1"}
r1 sees event-ack {eventId: e1}
r1 sees nothing
target sees nothing
