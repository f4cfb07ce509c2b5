story: a broker of several shards is healthy when its store answers, and says so when it does not
covers: mesh protocol 1.4; defect 39; f_sto_01
shards 2
limits health_ms=50
error: db ping failed

mesh garden with ann
mesh orchard with bob
ann connects
bob connects
http GET /health -> 200 {status: ok, db: up}
store fails unavailable
log "db ping failed" {level: error, consecutive_failures: 1}
metric broker_db_healthy 0
wait 100ms
http GET /health -> 503 {status: degraded, db: down}
http GET /health/ready -> 503 {reason: db_down}
metric broker_connections_active 2
store heals
metric broker_db_healthy 1
http GET /health/ready -> 200 {status: ready}
ann sees nothing
bob sees nothing
