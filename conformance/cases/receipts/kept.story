story: a receipt is told for as long as its key is known, and the chain goes on behind those that are gone
covers: mesh protocol 8.10; f_acc_13
limits message_ttl_ms=600 retention_ms=700 retention_sweep_ms=50 lease_ms=60000

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "one" as c1 with receipt=true
ann sees ack {messageId: $m1, receipt: {sequence: 1, signature: $sig, content: {body_sha256: $body}}}
bob hears "one"
bob acks
wait 1100ms
log "old rows removed"
ann sends {"type":"message_status","messageId":"$m1"}
ann sees error {code: not_found}
ann tells bob "one" as c1 with receipt=true
ann sees ack {messageId: $m1, duplicate: true, history_available: false, receipt: {sequence: 1, signature: $sig,
  content: {body_sha256: $body, client_message_id: c1}}}
ann tells bob "two" as c2 with receipt=true
ann sees ack {receipt: {sequence: 2}}
