story: health and readiness tell the truth about the store
covers: mesh protocol 1.1; mesh protocol 1.4; defect 39; f_sto_01
limits health_ms=50
error: db ping failed

log "db healthy" {level: info}
http GET /health -> 200 with content-type="application/json" access-control-allow-origin="*"
  {status: ok, db: up, version: "0.1.0", gitSha: story, uptime: _}
http GET /health/ready -> 200 {status: ready}
store fails unavailable
log "db ping failed" {level: error}
http GET /health -> 503 {status: degraded, db: down}
http GET /health/ready -> 503 {status: not_ready, reason: db_down}
metric broker_db_healthy 0
store heals
wait 200ms
http GET /health -> 200 {status: ok, db: up}
http GET /health?x=1 -> 404 "not found"
http DELETE /health -> 404 "not found"
http OPTIONS /hook/set-status -> 204
http GET /ws -> 404 "not found"
