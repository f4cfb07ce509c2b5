story: another request under a key that is on its way waits for the outcome, and then is told
covers: mesh protocol 3.2; mesh protocol 8.5; mesh protocol 8.6; f_acc_08; f_acc_09
error: db ping failed

mesh garden with ann, bob
ann connects
ann.s1 connects
bob connects
store delays 200ms
ann tells bob "soup?" as c1 with id=x1
ann tells bob "fish?" as c1 with id=x2
ann sees nothing for 20ms
ann.s1 tells bob "soup?" as c1 with id=x3
ann sees nothing
ann sees ack {id: x1, queued: true, messageId: $m, duplicate: false}
ann sees ack {id: x2, queued: false, error: ~"invalid: idempotency_key_reused", broker_message_id: $m}
ann.s1 sees ack {id: x3, queued: true, messageId: $m, duplicate: true}
store heals
bob hears "soup?"
bob acks
bob sees nothing
# What is joined is itself a resend: each is compared with what came first.
store delays 100ms
ann tells bob "fish?" as c1 with id=y1
ann tells bob "soup?" as c1 with id=y2
ann sees ack {id: y1, queued: false, error: ~"invalid: idempotency_key_reused", broker_message_id: $m}
ann sees ack {id: y2, queued: true, messageId: $m, duplicate: true}
# A key whose first send is refused is nobody's.
store fails unavailable
ann tells bob "new" as c2 with id=z1
ann tells bob "other" as c2 with id=z2
ann sees ack {id: z1, queued: false, error: ~"retry: "}
ann sees ack {id: z2, queued: false, error: ~"retry: "}
store heals
wait 1100ms
ann tells bob "other" as c2 with id=z3
ann sees ack {id: z3, queued: true, duplicate: false}
