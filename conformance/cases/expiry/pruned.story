story: a message is forgotten after its retention, and only when nobody waits for it
covers: mesh protocol 5.5; mesh protocol 8.8; mesh protocol 3.10; defect 36; f_sto_16
limits message_ttl_ms=600 retention_ms=700 retention_sweep_ms=50 lease_ms=60000

mesh garden with ann, bob, carl
ann connects
bob connects
carl connects
ann tells bob "done" as c1
ann sees ack {messageId: $m1}
bob hears "done"
bob acks
ann tells carl "pending" as c2
ann sees ack {messageId: $m2}
carl hears "pending"
wait 1100ms
ann sends {"type":"message_status","messageId":"$m1"}
ann sees error {code: not_found, message: "message not found"}
ann sends {"type":"message_status","messageId":"$m2"}
ann sees message_status_result {recipients: [{name: carl, status: held}]}
log "old rows removed"
# The key is known for longer than its message.
ann tells bob "done" as c1
ann sees ack {queued: true, messageId: $m1, duplicate: true, history_available: false, first_seen_at: _}
bob sees nothing
