story: a resend of an accepted key spends no budget and is answered while the budget is spent
covers: mesh protocol 8.5; mesh protocol 8.6; mesh protocol 8.7; defect 6; f_acc_10
limits send_rate_per_minute=60 send_rate_burst=2

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "first" as c1
ann sees ack {id: c1, queued: true, messageId: $m1, duplicate: false, history_available: true, first_seen_at: $at, durability: synced}
ann tells bob "second" as c2
ann sees ack {id: c2, queued: true, messageId: $m2}
# Nothing is left for a third one.
ann tells bob "third" as c3
ann sees ack {id: c3, queued: false, messageId: "", error: ~"retry: rate_limit", retry_after_ms: _}
ann sends 20 times {"type":"send","id":"x$n","client_message_id":"c4","targetSpec":"$bob.key","priority":"now","nonce":"","ciphertext":"eA=="}
ann sees 20 times ack {id: "x$n", queued: false, error: ~"retry: rate_limit"}
ann tells bob "first" as c1
ann sees ack {id: c1, queued: true, messageId: $m1, duplicate: true, history_available: true, first_seen_at: $at, durability: synced, !error}
ann tells bob "second" as c2
ann sees ack {id: c2, queued: true, messageId: $m2, duplicate: true}
metric broker_messages_rejected_total{reason="rate_limit"} 21
metric cm_broker_rate_limit_rejection_total 21
metric peermesh_messages_accepted_total 2
metric peermesh_messages_duplicate_total 2
# Resends do not put off what the budget lets through next.
wait 1100ms
ann tells bob "first" as c1
ann sees ack {id: c1, duplicate: true}
ann tells bob "third" as c3
ann sees ack {id: c3, queued: true, duplicate: false}
