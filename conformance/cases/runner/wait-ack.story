story: a caller that waits for the ack gets the runner's own, or the id of its command
covers: runner protocol 3.3; f_cmd_01

config runner_secrets=the-secret-of-runners

r1 runs as r1
cal posts /commands?wait=ack {"runnerId": "r1", "command": {"type": "start-build", "id": "c1"}}
r1 sees start-build {id: c1}
r1 sends {"type": "ack", "commandId": "other"}
r1 sends {"type": "ack", "commandId": "c1", "message": "Command start-build accepted"}
cal gets 200 {ok: true, commandId: c1, state: acked, ack: {message: "Command start-build accepted"}}
target sees {type: ack, commandId: other}
target sees {type: ack, commandId: c1}
# A command without an id is given one.
cal posts /commands?wait=ack&timeout_ms=50 {"runnerId": "r1", "command": {"type": "read-file"}}
r1 sees read-file {id: $id}
cal gets 504 {error: "No ack in time", commandId: $id, state: sent}
runners POST /commands?wait=later {"runnerId": "r1", "command": {"type": "read-file"}} -> 400
runners POST /commands?wait=ack&timeout_ms=soon {"runnerId": "r1", "command": {"type": "read-file"}} -> 400
r1 drops
wait 10ms
runners POST /commands?wait=ack {"runnerId": "r1", "command": {"type": "read-file"}} -> 503 {error: "Runner not connected"}
