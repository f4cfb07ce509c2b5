story: a target that hangs holds one event of each runner and no command
covers: runner protocol 4.3; f_evt_01
memory-only: half a minute of silence

config runner_secrets=the-secret-of-runners

target hangs 10s
r1 runs as r1
r1 sends 3 times {"type": "error", "id": "e$n"}
target sees with x-event-id=e1
target sees nothing for 9s
runners POST /commands {"runnerId": "r1", "command": {"type": "start-build"}} -> 200
r1 sees event-ack {eventId: e1}
r1 sees event-ack {eventId: e2}
r1 sees event-ack {eventId: e3}
r1 sees start-build
target heals
wait 15s
target sees with x-event-id=e1
target sees with x-event-id=e2
target sees with x-event-id=e3
