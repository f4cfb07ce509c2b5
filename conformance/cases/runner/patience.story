story: 408, 425, 429, redirects and Retry-After are waited out and kill no event
covers: runner protocol 4.3; f_evt_02
memory-only: minutes of patience

config runner_secrets=the-secret-of-runners

r1 runs as r1
target answers 429 retry_after=90
r1 sends {"type": "error", "id": "e1"}
target sees with x-event-attempt=1
target sees nothing for 89s
target answers 302
target sees with x-event-attempt=2
target answers 425
target sees with x-event-attempt=3
target answers 408
wait 2m
target heals
wait 1m
http GET /admin/runners/r1/dead with authorization="Bearer $admin" -> 200 {events: []}
runners GET /metrics -> 200 {failedEventQueueSize: 0}
