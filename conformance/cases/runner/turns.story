story: runners take turns where fewer events may be on their way than there are runners
covers: runner protocol 4.3

config runner_secrets=the-secret-of-runners
limits runner_forwards_max=1

target answers 200 after_ms=150
r1 runs as r1
r2 runs as r2
r1 sends 3 times {"type": "error", "id": "a$n"}
target sees with x-event-id=a1
r2 sends {"type": "error", "id": "b1"}
target sees with x-event-id=b1
target sees with x-event-id=a2
target sees with x-event-id=a3
