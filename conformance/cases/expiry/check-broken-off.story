story: a check that the store does not answer is broken off, and begun again with a later sweep
covers: mesh protocol 8.8
limits retention_sweep_ms=300 orphan_check_ms=60000
memory-only: the sweep must come while the store fails
error: db ping failed

mesh garden with ann, bob
ann connects
ann tells bob "soup?" as c1
ann sees ack {id: c1, queued: true}
store fails unavailable
wait 400ms
log "keys checked" {complete: false}
metric cm_broker_dedupe_orphan_check_total 0
store heals
wait 400ms
log "keys checked" {complete: true, found: 0, keys: 1, messages: 1, waiting: 1}
metric cm_broker_dedupe_orphan_check_total 1
wait 2000ms
metric cm_broker_dedupe_orphan_check_total 1
