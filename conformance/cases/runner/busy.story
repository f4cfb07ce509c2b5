story: a runner that does not read is busy, not gone: its caller is told so, and a command that may wait does
covers: runner protocol 3.1; runner protocol 3.4; f_cmd_01
memory-only: what a kernel takes is not to be counted on

config runner_secrets=the-secret-of-runners
limits send_window_bytes=1024 runner_message_bytes_max=65536

r1 runs as r1
r1 stops reading
runners POST /commands "{\"runnerId\": \"r1\", \"command\": {\"type\": \"start-build\", \"id\": \"c1\", \"prompt\": \"" "x"*60000 "\"}}" -> 200
runners POST /commands "{\"runnerId\": \"r1\", \"command\": {\"type\": \"start-build\", \"id\": \"c2\", \"prompt\": \"" "x"*60000 "\"}}" -> 200
runners POST /commands "{\"runnerId\": \"r1\", \"command\": {\"type\": \"start-build\", \"id\": \"c3\", \"prompt\": \"" "x"*60000 "\"}}"
  -> 503 {error: runner_busy}
log "runner command refused" {runner_id: r1, command_type: start-build, reason: runner_busy}
runners POST /commands?queue=60000 "{\"runnerId\": \"r1\", \"command\": {\"type\": \"stop-tunnel\", \"id\": \"c4\", \"pad\": \"" "y"*20000 "\"}}"
  -> 202 {state: queued}
r1 reads again
r1 sees start-build {id: c1}
r1 sees start-build {id: c2}
r1 sees stop-tunnel {id: c4}
