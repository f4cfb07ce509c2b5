story: while the target is away events wait, in order and over a crash, and then all of them arrive
covers: runner protocol 4.3; f_evt_01; f_lif_02

config runner_secrets=the-secret-of-runners
limits runner_retry_ms_min=20 runner_retry_ms_max=40

target is down
r1 runs as r1
r1 sends 5 times {"type": "log-chunk", "id": "e$n"}
r1 sees event-ack {eventId: e1}
r1 sees event-ack {eventId: e2}
r1 sees event-ack {eventId: e3}
r1 sees event-ack {eventId: e4}
r1 sees event-ack {eventId: e5}
runners GET /metrics -> 200 {failedEventQueueSize: 5}
broker crashes
wait 30ms
target heals
target sees with x-event-id=e1
target sees with x-event-id=e2
target sees with x-event-id=e3
target sees with x-event-id=e4
target sees with x-event-id=e5
# What was sent before the crash is known after it.
r1 runs as r1
r1 sends {"type": "log-chunk", "id": "e3"}
r1 sees event-ack {eventId: e3}
r1 sends {"type": "log-chunk", "id": "e6"}
target sees with x-event-id=e6
target sees nothing
