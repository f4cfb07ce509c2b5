story: readiness waits for the migration that the operator expects
covers: mesh protocol 1.4
config expected_migration=V0001__mesh.sql

log "db healthy"
http GET /health/ready -> 200 {status: ready}
