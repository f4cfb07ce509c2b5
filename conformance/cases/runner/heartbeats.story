story: a runner without heartbeats is gone after a minute, and not before
covers: runner protocol 2.2; runner protocol 2.3
memory-only: minutes of silence

config runner_secrets=the-secret-of-runners

r1 runs as r1
r1 ignores pings
r2 runs as r2
wait 30s
r1 sees ping
r2 sees ping
r1 sends {"type": "runner-status", "payload": {"status": "online"}}
target sees {type: runner-status}
wait 59s
runners GET /status -> 200 {connections: [{runnerId: r1, lastHeartbeatAge: 59000}, {runnerId: r2}]}
# Other events are no heartbeats.
r1 sends {"type": "log-chunk"}
wait 1s
r1 sees close 1000 "Heartbeat timeout"
runners GET /status -> 200 {connections: [{runnerId: r2}]}
runners POST /commands {"runnerId": "r1", "command": {"type": "x"}} -> 503
log "runner stale" {runner_id: r1, last_heartbeat_age_ms: 60000}
metric peermesh_runner_stale_total 1
wait 10m
r2 sees nothing
