story: what waits for the target goes on as soon as the store is back, and not at the next look around
covers: runner protocol 4.3; f_sto_07; f_evt_01
error: db ping failed

config runner_secrets=the-secret-of-runners
limits runner_retry_ms_min=20 runner_retry_ms_max=40 health_ms=50

target is down
r1 runs as r1
r1 sends {"type": "error", "id": "e1"}
r1 sees event-ack {eventId: e1}
store fails unavailable
log "db ping failed"
broker crashes
wait 300ms
target heals
store heals
target sees with x-event-id=e1
