story: a key is known for its own time after its message went, and free after that
covers: mesh protocol 5.5; mesh protocol 8.8; mesh protocol 8.4; f_acc_13; f_acc_12; defect 36
limits message_ttl_ms=1000 retention_ms=1000 retention_sweep_ms=3600000 dedupe_retention_ms=259200000 health_ms=2000
  hook_sweep_ms=60000 stats_ms=60000 status_sweep_ms=3600000 ping_ms=600000 pong_ms=1800000
memory-only: it takes three days

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "soup?" as c1
ann sees ack {messageId: $m, first_seen_at: $at}
bob hears "soup?"
bob acks
wait 61m
ann sends {"type":"message_status","messageId":"$m"}
ann sees error {code: not_found}
ann tells bob "soup?" as c1
ann sees ack {queued: true, messageId: $m, duplicate: true, history_available: false, first_seen_at: $at}
ann tells bob "fish?" as c1
ann sees ack {queued: false, error: ~"invalid: idempotency_key_reused", broker_message_id: $m}
wait 4200m
ann tells bob "soup?" as c1
ann sees ack {queued: true, messageId: $m, duplicate: true, history_available: false}
broker restarts
ann connects
bob connects
ann tells bob "soup?" as c1
ann sees ack {queued: true, messageId: $m, duplicate: true, history_available: false}
wait 180m
ann tells bob "soup?" as c1
ann sees ack {queued: true, messageId: $m2, duplicate: false, history_available: true}
bob hears "soup?" {messageId: $m2}
