story: a key that says that it is older than keys are known is never taken for a new one
covers: mesh protocol 8.8; f_acc_12
limits dedupe_retention_ms=259200000

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "old uuid" as 017f22e2-79b0-7cc3-98c4-dc0c0c07398f
ann sees ack {queued: false, messageId: "", error: ~"invalid: key_expired"}
ann tells bob "old ulid" as 01ARZ3NDEKTSV4RRFFQ69G5FAV
ann sees ack {queued: false, error: ~"invalid: key_expired"}
ann tells bob "old send" as c1 with enqueued_at=now-259300000
ann sees ack {queued: false, error: ~"invalid: key_expired"}
metric broker_messages_rejected_total{reason="key_expired"} 3
ann tells bob "young send" as c1 with enqueued_at=now-259100000
ann sees ack {queued: true, messageId: $m}
bob hears "young send"
bob acks
# A UUID of a time to come, one that carries none, and one of a clock that never ran.
ann tells bob "1" as 0fffffff-79b0-7cc3-98c4-dc0c0c07398f
ann sees ack {queued: true}
bob hears "1"
ann tells bob "2" as 017f22e2-79b0-4cc3-98c4-dc0c0c07398f
ann sees ack {queued: true}
bob hears "2"
ann tells bob "3" as 00000000-0001-7cc3-98c4-dc0c0c07398f
ann sees ack {queued: true}
bob hears "3"
# What was accepted is known, however old the sender says it is.
ann tells bob "young send" as c1 with enqueued_at=now-259300000
ann sees ack {queued: true, messageId: $m, duplicate: true}
ann tells bob "no key" with !client_message_id enqueued_at=0
ann sees ack {queued: true}
