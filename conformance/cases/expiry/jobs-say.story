story: what the background ends and removes is logged and counted
covers: mesh protocol 5.5; mesh protocol 8.8; f_sto_16
limits message_ttl_ms=600 retention_ms=1000 retention_sweep_ms=50 grace_ms=0

mesh garden with ann, bob
ann connects
ann tells bob "one" as c1
ann sees ack {id: c1, queued: true}
ann tells bob "two" with !client_message_id
ann sees ack {queued: true}
no log "mail expired"
wait 1500ms
log "mail expired"
metric peermesh_deliveries_settled_total{outcome="expired"} 2
log "old rows removed" {buried: 1, tombstones: 0}
metric peermesh_rows_removed_total{kind="message"} 2
metric peermesh_tombstones_made_total 1
metric cm_broker_atomicity_violation_found 0
