story: what counts as an error is what a person should look at, and an answer is none
covers: runner protocol 5.3; runner protocol 2.6

config runner_secrets=the-secret-of-runners
limits runner_retry_ms_min=10 runner_retry_ms_max=10

r1 runs as r1
r1 sends text "{nonsense"
r1 sends frame rsv=4 "{}"
r1 sees close 1002 protocol_error
log "runner connection broken" {runner_id: r1, reason: protocol_error}
log "runner disconnected" {runner_id: r1, code: 1002}
runners GET /metrics -> 200 {totalErrors: 2}
r1#2 runs as r1
target answers 500
r1#2 sends {"type": "error", "id": "e1"}
target sees with x-event-attempt=1
target sees with x-event-attempt=2
target sees with x-event-attempt=3
target sees with x-event-attempt=4
log "runner event not taken" {answered: 3, unanswered: 0}
runners GET /metrics -> 200 {totalErrors: 2}
# One that is not answered three times is one error, however often it is tried again.
target is down
log "runner event not taken" {unanswered: 5}
runners GET /metrics -> 200 {totalErrors: 3}
target heals
r1#2 sees event-ack
r1#2 closes 1003 "Command receive timeout"
log "runner disconnected" {runner_id: r1, code: 1003}
r1#3 runs as r1
r1#3 drops
log "runner disconnected" {runner_id: r1, code: 1006}
runners GET /metrics -> 200 {totalErrors: 3}
