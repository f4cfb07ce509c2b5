story: events reach the target as they came, in order, with who sent them
covers: runner protocol 4.1; runner protocol 4.2

config runner_secrets=the-secret-of-runners

r1 runs as r%201
r1 sends {"type": "build-progress", "commandId": "c1", "payload": {"n": 1.50}}
target sees with x-runner-id="r%201" x-event-attempt=1 {type: build-progress, commandId: c1, payload: {n: 1.5}}
r1 sends 20 times {"type": "log-chunk", "id": "e$n", "data": "line $n"}
r1 sees event-ack {eventId: e1}
r1 sees event-ack {eventId: e2}
target sees with x-event-id=e1 x-event-seq=4294967298 {id: e1}
target sees with x-event-id=e2 x-event-seq=4294967299 {id: e2}
target sees {id: e3}
target sees {id: e4}
# A repetition is acknowledged and goes no further.
r1 sends {"type": "log-chunk", "id": "e1", "data": "line 1"}
r2 runs as r2
r2 sends {"type": "log-chunk", "id": "e1"}
r2 sees event-ack {eventId: e1}
metric peermesh_runner_events_duplicate_total 1
# What is no JSON is counted, and the runner stays.
r2 sends text "{nonsense"
r2 sends text "null"
r2 sends text "17"
r2 sends {"type": "start-build"}
r2 sends {"type": "error", "id": "e2"}
r2 sees event-ack {eventId: e2}
runners GET /metrics -> 200 {totalErrors: 2, activeConnections: 2}
# The same stands on the main page as series.
metric peermesh_runner_errors_total 2
metric peermesh_runner_connections 2
