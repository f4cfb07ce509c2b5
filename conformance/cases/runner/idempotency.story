story: under one key a command runs once, and whoever repeats it gets the first answer
covers: runner protocol 3.2; f_cmd_02

config runner_secrets=the-secret-of-runners

runners POST /commands with idempotency-key=k1 {"runnerId": "r1", "command": {"type": "start-build"}} -> 503 {error: "Runner not connected"}
r1 runs as r1
# Nothing was handed over, so the key may be used again.
runners POST /commands with idempotency-key=k1 {"runnerId": "r1", "command": {"type": "start-build"}}
  -> 200 {ok: true, commandId: $id, state: sent}
r1 sees start-build {id: $id}
runners POST /commands with idempotency-key=k1 {"runnerId": "r1", "command": {"type": "start-build"}}
  -> 200 {ok: true, commandId: $id, state: sent}
runners POST /commands with idempotency-key=k1 {"runnerId": "r1", "command": {"type": "stop-tunnel"}} -> 409
runners POST /commands with idempotency-key=k2 {"runnerId": "r1", "command": {"type": "stop-tunnel"}} -> 200
r1 sees stop-tunnel
r1 drops
broker crashes
runners POST /commands with idempotency-key=k1 {"runnerId": "r1", "command": {"type": "start-build"}}
  -> 200 {ok: true, commandId: $id, state: sent}
# Two at once, of which the first goes away.
r1 runs as r1
one posts /commands?wait=ack with idempotency-key=k3 {"runnerId": "r1", "command": {"type": "start-build", "id": "c3"}}
r1 sees start-build {id: c3}
two posts /commands?wait=ack with idempotency-key=k3 {"runnerId": "r1", "command": {"type": "start-build", "id": "c3"}}
one drops
wait 20ms
r1 sends {"type": "ack", "commandId": "c3"}
two gets 200 {commandId: c3, state: acked}
r1 sees nothing
runners POST /commands with idempotency-key="" {"runnerId": "r1", "command": {"type": "x"}} -> 400
