story: a runner whose events nobody takes is read no further, and goes on when they are
covers: runner protocol 4.5; f_evt_03
memory-only: minutes in which a runner is not read

config runner_secrets=the-secret-of-runners
limits runner_events_max=4 runner_lane_events_max=2 runner_unstored_max=2

target is down
r1 runs as r1
r1 sends 20 times {"type": "log-chunk", "id": "e$n"}
r1 sees event-ack {eventId: e1}
r1 sees event-ack {eventId: e2}
r1 sees event-ack {eventId: e3}
r1 sees event-ack {eventId: e4}
r1 sees nothing for 5m
# It is not taken for dead while it is not read.
runners GET /status -> 200 {connections: [{runnerId: r1}]}
runners GET /metrics -> 200 {failedEventQueueSize: 4}
metric peermesh_runner_events_waiting 4
target heals
wait 2m
target sees with x-event-id=e1
target sees with x-event-id=e2
target sees with x-event-id=e3
target sees with x-event-id=e4
target sees with x-event-id=e5
r1 sees event-ack {eventId: e5}
runners GET /metrics -> 200 {failedEventQueueSize: 0}
