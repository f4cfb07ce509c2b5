story: a command is not carried out after its sender was told that it took too long, or that is said
covers: runner protocol 3.1 and 3.2; f_cmd_01; f_sto_01
memory-only: a runner must be on its way
error: db ping failed

config runner_secrets=the-secret-of-runners
limits ack_deadline_ms=200

store delays 900ms
cal posts /commands?queue=60000 {"runnerId": "r1", "command": {"type": "start-build", "id": "c1"}}
cid posts /commands with Idempotency-Key=k {"runnerId": "r1", "command": {"type": "start-build", "id": "c2"}}
cal gets 503
cid gets 503
wait 2s
store heals
r1 runs as r1
r1 sees nothing for 500ms
runners POST /commands with Idempotency-Key=k {"runnerId": "r1", "command": {"type": "start-build", "id": "c2"}}
  -> 200 {commandId: c2, state: sent}
r1 sees start-build {id: c2}

# Its key is being written.
store delays 500ms
dan posts /commands with Idempotency-Key=l {"runnerId": "r1", "command": {"type": "start-build", "id": "c3"}}
dan gets 504 {error: "Outcome unknown", commandId: c3, state: unknown}
r1 sees start-build {id: c3}
wait 600ms
store heals
runners POST /commands with Idempotency-Key=l {"runnerId": "r1", "command": {"type": "start-build", "id": "c3"}}
  -> 200 {commandId: c3, state: sent}
r1 sees nothing

# A store that is known to be away is not asked for a runner.
store fails unavailable
wait 1500ms
store delays 100ms
runners POST /commands?queue=60000 {"runnerId": "r2", "command": {"type": "start-build", "id": "c4"}}
  -> 503 {error: "Store unavailable"}
r3 runs as r3
r3 sees close 1013
