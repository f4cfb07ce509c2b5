story: a command whose broker died before it knew is not run again under its key
covers: runner protocol 3.2; f_cmd_02

config runner_secrets=the-secret-of-runners

r1 runs as r1
cal posts /commands?wait=ack with idempotency-key=k1 {"runnerId": "r1", "command": {"type": "start-build", "id": "c1"}}
r1 sees start-build {id: c1}
broker crashes
r1 runs as r1
runners POST /commands?wait=ack with idempotency-key=k1 {"runnerId": "r1", "command": {"type": "start-build", "id": "c1"}}
  -> 504 {commandId: c1, state: unknown}
r1 sees nothing
