story: what has come whole takes no room, however long its caller waits for an answer
covers: runner protocol 1.3

config runner_secrets=the-secret-of-runners
limits runner_inflight_bytes_max=1048576 runner_message_bytes_max=1000000

r1 runs as r1
cal posts /commands?wait=ack&timeout_ms=60000 "{\"runnerId\": \"r1\", \"command\": {\"type\": \"start-build\", \"id\": \"c1\", \"prompt\": \"" "x"*900000 "\"}}"
r1 sees start-build {id: c1}
dan posts /commands?wait=ack&timeout_ms=60000 "{\"runnerId\": \"r1\", \"command\": {\"type\": \"start-build\", \"id\": \"c2\", \"prompt\": \"" "x"*900000 "\"}}"
r1 sees start-build {id: c2}
r1 sends {"type": "ack", "commandId": "c2"}
dan gets 200 {commandId: c2, state: acked}
r1 sends {"type": "ack", "commandId": "c1"}
cal gets 200 {commandId: c1, state: acked}
