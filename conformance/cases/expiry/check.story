story: a check finds what the store has lost by itself, says of which mesh it was, and lets the rest alone
covers: mesh protocol 8.8; mesh protocol 1.4
memory-only: a store on disk loses nothing
limits retention_sweep_ms=100 orphan_check_ms=1000
error: keys check found

mesh garden with ann, bob
ann connects
bob connects
metric cm_broker_dedupe_orphan_check_total 0
ann tells bob "kept" as c1
bob hears "kept"
bob acks
wait 200ms
log "keys checked" {found: 0, complete: true}
metric cm_broker_dedupe_orphan_check_total 1
ann tells bob "lost" as c2
ann sees ack {id: c1, messageId: $m1}
ann sees ack {id: c2, messageId: $m2}
bob hears "lost"
bob acks
wait 50ms
store mislays the last message
no log "keys check found"
wait 1000ms
# The key, and the delivery that ended: both are all that is left of it.
log "keys check found" {what: key_without_message, message_id: $m2, mesh_id: $garden.id, level: error}
log "keys check found" {what: delivery_without_message, message_id: $m2, mesh_id: $garden.id}
log "keys checked" {keys: 2, messages: 1, tombstones: 0, waiting: 0, ended: 2, found: 2, complete: true}
metric cm_broker_dedupe_orphan_found{mesh_id="$garden.id"} 1
metric cm_broker_atomicity_violation_found 1
metric cm_broker_dedupe_orphan_check_total 2
# What is whole is served as ever.
ann tells bob "kept" as c1
ann sees ack {id: c1, queued: true, messageId: $m1, duplicate: true}
# It is not repaired, so the next check counts it again.
wait 1000ms
metric cm_broker_dedupe_orphan_found{mesh_id="$garden.id"} 2
