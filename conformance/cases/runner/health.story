story: the pages of the runners' port say what they said before
covers: runner protocol 5.1; runner protocol 5.2; runner protocol 5.3

config runner_secrets=the-secret-of-runners

r2 runs as r2
r1 runs as r1
log "runner connected" {runner_id: r1}
runners GET /health with authorization=""
  -> 200 {status: healthy, connections: 2, uptime: _, timestamp: _, memory: {rss: 3000, heapTotal: 2000, heapUsed: 1000}}
runners GET /status -> 200 {uptime: _, connections: [{runnerId: r2, lastHeartbeat: _, lastHeartbeatAge: _}, {runnerId: r1}]}
runners GET /metrics -> 200
  {totalEvents: 0, totalCommands: 0, totalErrors: 0, activeConnections: 2, failedEventQueueSize: 0, uptime: _, memory: {rss: 3000}}
runners DELETE /health -> 404
http GET /health -> 200
metric peermesh_runner_connections 2
