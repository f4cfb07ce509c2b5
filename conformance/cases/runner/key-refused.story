story: a key whose repetition the store refuses keeps what it was used for, and nothing is sent twice
covers: runner protocol 3.2; f_cmd_02

config runner_secrets=the-secret-of-runners

r1 runs as r1
runners POST /commands with idempotency-key=k {"runnerId": "r1", "command": {"id": "c1", "type": "start-build"}} -> 200 {state: sent}
r1 sees start-build
store refuses one write
runners POST /commands with idempotency-key=k {"runnerId": "r1", "command": {"id": "c1", "type": "start-build"}} -> 503 {error: "Store unavailable"}
runners POST /commands with idempotency-key=k {"runnerId": "r1", "command": {"id": "c1", "type": "start-build"}} -> 200 {state: sent}
r1 sees nothing
# Nothing was written for a key whose first use was refused: it is as good as any.
store refuses one write
runners POST /commands with idempotency-key=n {"runnerId": "r1", "command": {"type": "stop-build"}} -> 503
runners POST /commands with idempotency-key=n {"runnerId": "r1", "command": {"type": "stop-build"}} -> 200 {state: sent}
r1 sees stop-build
