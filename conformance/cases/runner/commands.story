story: a command goes to the runner it names, and the caller is told what happened and no more
covers: runner protocol 3.1; runner protocol 2.1; f_cmd_01

config runner_secrets=the-secret-of-runners

runners POST /commands {"runnerId": "r1", "command": {"type": "start-build", "id": "c0"}} -> 503 {error: "Runner not connected"}
r1 runs as r1
any runs as default
runners POST /commands {"runnerId": "r1", "command": {"type": "start-build", "id": "c1", "payload": {"prompt": "a shop"}}}
  -> 200 {ok: true, !commandId, !state}
r1 sees start-build {id: c1, payload: {prompt: "a shop"}}
any sees nothing
# Without a name it is the runner called default; data passes as payload does.
runners POST /commands {"command": {"type": "stop-dev-server", "data": [1, 2]}} -> 200 {ok: true}
any sees stop-dev-server {data: [1, 2], !id}
# The same id again is another command.
runners POST /commands {"runnerId": "r1", "command": {"type": "start-build", "id": "c1"}} -> 200 {ok: true}
r1 sees start-build {id: c1}
runners POST /commands {"runnerId": "r1"} -> 400 {error: "Missing command payload"}
runners POST /commands {"runnerId": "r1", "command": null} -> 400 {error: "Missing command payload"}
runners POST /commands "{nonsense" -> 400
runners POST /commands "" -> 400 {error: "Missing command payload"}
runners POST /commands ["r1", {"type": "start-build"}] -> 400 {error: "Missing command payload"}
runners POST /commands {"runnerId": "r1", "command": 0} -> 400 {error: "Missing command payload"}
runners POST /commands {"runnerId": null, "command": {"type": "x"}} -> 503 {error: "Runner not connected"}
runners GET /metrics -> 200 {totalCommands: 3, activeConnections: 2}
metric peermesh_runner_commands_total 3
r1 drops
wait 10ms
runners POST /commands {"runnerId": "r1", "command": {"type": "start-build"}} -> 503 {error: "Runner not connected"}
