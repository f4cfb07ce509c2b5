story: a command that may wait long keeps no place for those behind it that may not
covers: runner protocol 3.4
memory-only: a minute

config runner_secrets=the-secret-of-runners
limits runner_commands_max=4

runners POST /commands?queue=3600000 {"runnerId": "r1", "command": {"type": "start-build", "id": "long"}} -> 202
runners POST /commands?queue=1000 {"runnerId": "r1", "command": {"type": "start-build", "id": "short"}} -> 202
runners POST /commands?queue=3600000 {"runnerId": "r1", "command": {"type": "start-build", "id": "next"}} -> 202
runners POST /commands?queue=2000 {"runnerId": "r1", "command": {"type": "start-build", "id": "brief"}} -> 202
runners POST /commands?queue=1000 {"runnerId": "r1", "command": {"type": "start-build", "id": "over"}} -> 503 {error: runner_queue_full}
wait 40s
log "runner command expired" {runner_id: r1, command_id: short}
log "runner command expired" {runner_id: r1, command_id: brief}
metric peermesh_runner_commands_refused_total{reason="expired"} 2
runners POST /commands?queue=3600000 {"runnerId": "r1", "command": {"type": "start-build", "id": "third"}} -> 202
runners POST /commands?queue=3600000 {"runnerId": "r1", "command": {"type": "start-build", "id": "fourth"}} -> 202
runners POST /commands?queue=3600000 {"runnerId": "r1", "command": {"type": "start-build", "id": "full"}} -> 503 {error: runner_queue_full}
r1 runs as r1
r1 sees start-build {id: long}
r1 sees start-build {id: next}
r1 sees start-build {id: third}
r1 sees start-build {id: fourth}
r1 sees nothing
