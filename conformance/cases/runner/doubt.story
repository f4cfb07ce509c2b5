story: while it is in doubt whether a runner is still ours nothing of it is sent on, and afterwards all of it is
covers: runner protocol 2.5; f_tim_04; f_clu_04
limits health_ms=50
error: db ping failed
memory-only: the other stage's store has one broker

config runner_secrets=the-secret-of-runners

store says lease_ms=200
wait 100ms
r1 runs as r1
target is down
r1 sends {"type": "error", "id": "e1"}
r1 sees event-ack {eventId: e1}
store fails unavailable
wait 300ms
target heals
target sees nothing for 3s
# A command needs no store, and whoever is connected is connected.
runners POST /commands {"runnerId": "r1", "command": {"type": "x"}} -> 200
r1 sees x
store heals
target sees with x-event-id=e1
target sees nothing for 3s
