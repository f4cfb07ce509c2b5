story: what the store refuses is kept back and stored later, and commands need no store
covers: runner protocol 4.1; f_sto_01
error: db ping failed

config runner_secrets=the-secret-of-runners
limits runner_store_retry_ms=30

r1 runs as r1
r1 sends {"type": "error", "id": "e1"}
r1 sees event-ack {eventId: e1}
store fails full
r1 sends {"type": "error", "id": "e2"}
r1 sends {"type": "error", "id": "e3"}
r1 sees nothing
runners POST /commands {"runnerId": "r1", "command": {"type": "start-build"}} -> 200
r1 sees start-build
runners POST /commands with idempotency-key=k {"runnerId": "r1", "command": {"type": "start-build"}} -> 503 {error: "Store unavailable"}
runners POST /commands?queue=1000 {"runnerId": "r2", "command": {"type": "start-build"}} -> 503
store heals
r1 sees event-ack {eventId: e2}
r1 sees event-ack {eventId: e3}
target sees with x-event-id=e1
target sees with x-event-id=e2
target sees with x-event-id=e3
store forgets replies
r1 sends {"type": "error", "id": "e4"}
wait 50ms
store heals
r1 sees event-ack {eventId: e4}
target sees with x-event-id=e4
target sees nothing
