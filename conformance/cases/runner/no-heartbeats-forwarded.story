story: heartbeats stay here where that is wished for
covers: runner protocol 4.2

config runner_secrets=the-secret-of-runners forwards_heartbeats=no

r1 runs as r1
r1 sends {"type": "runner-status", "id": "h1"}
r1 sees event-ack {eventId: h1}
r1 sends {"type": "ack"}
target sees {type: ack}
target sees nothing
runners GET /metrics -> 200 {totalEvents: 2}
metric peermesh_runner_events_total 2
