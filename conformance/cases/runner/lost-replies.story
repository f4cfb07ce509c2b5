story: an event whose reply was lost goes again under the same id, and the next one waits for it
covers: runner protocol 4.3; f_evt_01

config runner_secrets=the-secret-of-runners
limits runner_retry_ms_min=20 runner_retry_ms_max=40

target loses replies
r1 runs as r1
r1 sends {"type": "error", "error": "first"}
r1 sends {"type": "error", "error": "second"}
target sees with x-event-attempt=1 {error: first}
target sees with x-event-attempt=2 {error: first}
target heals
target sees {error: first}
target sees {error: second}
