story: who hears that nothing was handed over may use the key again; else nobody knows yet
covers: runner protocol 3.2; f_cmd_02
memory-only: which write the store refuses is a matter of moments
error: db ping failed

config runner_secrets=the-secret-of-runners
limits runner_store_retry_ms=30

runners POST /commands with idempotency-key=first {"runnerId": "r1", "command": {"type": "start-build", "id": "c1"}}
  -> 503 {error: "Runner not connected"}
store delays 300ms
cal posts /commands with idempotency-key=k {"runnerId": "r1", "command": {"type": "start-build", "id": "c1"}}
wait 450ms
# The key was written, and cannot be forgotten now.
store fails full
cal gets 504 {commandId: c1, state: unknown}
store heals
wait 100ms
r1 runs as r1
runners POST /commands with idempotency-key=k {"runnerId": "r1", "command": {"type": "start-build", "id": "c1"}}
  -> 200 {commandId: c1, state: sent}
r1 sees start-build {id: c1}
r1 sees nothing
