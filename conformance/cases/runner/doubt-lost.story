story: a runner that was taken while its broker had lost its lease is given up as soon as that is known
covers: runner protocol 2.5; f_tim_04; f_clu_04
limits health_ms=50
error: db ping failed
memory-only: the other stage's store has one broker

config runner_secrets=the-secret-of-runners

store says lease_ms=200
wait 100ms
target is down
r1 runs as r1
r1 sends {"type": "error", "id": "e1"}
r1 sees event-ack {eventId: e1}
store fails unavailable
wait 300ms
rival robs runner r1
target heals
store heals
r1 sees close 1013 not_owner
log "runner lost" {runner_id: r1}
target sees nothing for 3s
