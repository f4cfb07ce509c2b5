story: a command can wait for a runner that is away, over a crash, within bounds of number and time
covers: runner protocol 3.4

config runner_secrets=the-secret-of-runners
limits runner_commands_max=2 runner_sweep_ms=20

runners POST /commands?queue=60000 {"runnerId": "r1", "command": {"type": "start-build", "id": "c1"}}
  -> 202 {ok: true, commandId: c1, state: queued}
runners POST /commands?queue=100 {"runnerId": "r1", "command": {"type": "start-build", "id": "c2"}} -> 202
runners POST /commands?queue=60000 {"runnerId": "r1", "command": {"type": "start-build", "id": "c3"}}
  -> 503 {error: runner_queue_full}
broker crashes
wait 300ms
r1 runs as r1
r1 sees start-build {id: c1}
r1 sees nothing
log "runner command expired" {runner_id: r1, command_id: c2}
metric peermesh_runner_commands_refused_total{reason="expired"} 1
r1 drops
wait 10ms
cal posts /commands?queue=60000&wait=ack {"runnerId": "r1", "command": {"type": "read-file", "id": "c4"}}
wait 20ms
r1 runs as r1
r1 sees read-file {id: c4}
r1 sends {"type": "ack", "commandId": "c4"}
cal gets 200 {commandId: c4, state: acked}
cal posts /commands?queue=60000&wait=ack&timeout_ms=30 {"runnerId": "r2", "command": {"type": "read-file", "id": "c5"}}
cal gets 202 {commandId: c5, state: queued}
runners POST /commands?queue=60000 {"runnerId": "r1", "command": {"type": "read-file", "id": "c6"}}
  -> 200 {commandId: c6, state: sent}
r1 sees read-file {id: c6}
