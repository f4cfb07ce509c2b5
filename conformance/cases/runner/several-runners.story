story: an event that the target fails on holds up its own runner and no other
covers: runner protocol 4.3; f_evt_01

config runner_secrets=the-secret-of-runners
limits runner_retry_ms_min=500 runner_retry_ms_max=500

r1 runs as r1
r2 runs as r2
target answers 500
r1 sends {"type": "error", "id": "a1"}
target sees with x-runner-id=r1 x-event-id=a1
wait 30ms
target heals
r1 sends {"type": "error", "id": "a2"}
r2 sends {"type": "error", "id": "b1"}
r2 sends {"type": "error", "id": "b2"}
target sees with x-runner-id=r2 x-event-id=b1
target sees with x-runner-id=r2 x-event-id=b2
target sees with x-runner-id=r1 x-event-id=a1 x-event-attempt=2
target sees with x-runner-id=r1 x-event-id=a2
