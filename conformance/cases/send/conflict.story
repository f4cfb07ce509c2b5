story: a key that comes again with another request is refused for good, and names what it was used for
covers: mesh protocol 8.6; mesh protocol 8.4; mesh protocol 8.2; f_acc_09; f_aut_09

mesh garden with ann, bob, carl
ann connects
ann.s1 connects
bob connects
carl connects
ann tells bob "soup?" as c1
ann sees ack {id: c1, queued: true, messageId: $m}
bob hears "soup?"
bob acks
ann tells bob "fish?" as c1 with id=x1
ann sees ack {id: x1, queued: false, messageId: "", error: ~"invalid: idempotency_key_reused", client_message_id: c1,
  conflict: request_fingerprint_mismatch, broker_fingerprint_prefix: $prefix, broker_message_id: $m, !duplicate}
ann tells bob "soup?" as c1 with priority="now"
ann sees ack {id: c1, queued: false, error: ~"invalid: idempotency_key_reused", broker_fingerprint_prefix: $prefix}
ann tells carl "soup?" as c1
ann sees ack {id: c1, queued: false, error: ~"invalid: idempotency_key_reused"}
ann tells bob "soup?" as c1 with replyToId=r1
ann sees ack {id: c1, queued: false, error: ~"invalid: idempotency_key_reused"}
# Keys belong to the member, whatever session uses them.
ann.s1 tells bob "fish?" as c1
ann.s1 sees ack {id: c1, queued: false, error: ~"invalid: idempotency_key_reused", broker_message_id: $m}
ann.s1 tells bob "soup?" as c1
ann.s1 sees ack {id: c1, queued: true, messageId: $m, duplicate: true}
bob sees nothing
# Another member learns nothing from it.
carl tells bob "fish?" as c1
carl sees ack {id: c1, queued: true, duplicate: false, !conflict}
metric broker_messages_rejected_total{reason="conflict"} 5
metric cm_broker_dedupe_fingerprint_mismatch_total{mesh_id="$garden.id"} 5
broker restarts
ann connects
ann tells bob "fish?" as c1
ann sees ack {id: c1, queued: false, error: ~"invalid: idempotency_key_reused", broker_fingerprint_prefix: $prefix}
ann tells bob "soup?" as c1
ann sees ack {id: c1, queued: true, messageId: $m}
