story: nothing opens without the secret, and either of two opens while it is changed
covers: runner protocol 1.2

config runner_secrets=the-secret-of-runners,next-secret runner_tokens=r2:token-of-r2

runners GET /health with authorization="" -> 200 {status: healthy, connections: 0}
runners GET /status with authorization="" -> 401 {error: Unauthorized}
runners GET /metrics with authorization="Bearer wrong" -> 401 {error: Unauthorized}
runners GET /metrics with authorization="bearer $secret" -> 401
runners GET /metrics with authorization="Bearer   $secret " -> 200
runners GET /metrics with authorization="Bearer next-secret" -> 200
runners GET /status?token=$secret with authorization="" -> 401
runners POST /commands with authorization="Bearer wrong" {"command": {"type": "x"}} -> 401 {error: Unauthorized}
runners POST /commands with authorization="Bearer wrong" "{nonsense" -> 401
runners GET /nowhere -> 404
eve runs as r1 with authorization="Bearer wrong"
eve sees close 1008 Unauthorized
eve runs as r1 with authorization=""
eve sees close 1008 Unauthorized
eve runs as /elsewhere -> 400
r1 runs as r1
r1 sends {"type": "runner-status"}
# A runner with a token of its own is not whoever has the shared secret.
eve#2 runs as r2
eve#2 sees close 1008 Unauthorized
r2 runs as r2 with authorization="Bearer token-of-r2"
eve#3 runs as r1 with authorization="Bearer token-of-r2"
eve#3 sees close 1008 Unauthorized
log "runner connected" {runner_id: r2}
runners GET /status -> 200 {connections: [{runnerId: r1}, {runnerId: r2}]}
