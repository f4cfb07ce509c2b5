story: a broker whose store lacks the expected migration is alive but not ready
covers: mesh protocol 1.4; f_sto_15
config expected_migration=V9999__later

log "db healthy"
http GET /health -> 200 {status: ok}
http GET /health/ready -> 503 {status: not_ready, reason: migration_missing, expected: V9999__later}
