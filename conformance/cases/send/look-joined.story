story: sends of one key that wait for a look are answered together
covers: mesh protocol 3.2; mesh protocol 8.5; f_acc_08; f_acc_10
limits send_rate_per_minute=60 send_rate_burst=1 queued_per_mailbox_max=1

mesh garden with ann, bob
ann connects
ann.s1 connects
ann tells bob "first" as c1
ann sees ack {id: c1, queued: true, messageId: $m}
store delays 100ms
ann tells bob "other" as c2 with id=x1
ann.s1 tells bob "other" as c2 with id=x2
ann tells bob "another" as c2 with id=x3
ann sees nothing for 20ms
ann sees ack {id: x1, queued: false, error: ~"retry: rate_limit"}
ann sees ack {id: x3, queued: false, error: ~"retry: busy"}
ann.s1 sees ack {id: x2, queued: false, error: ~"retry: rate_limit"}
ann tells bob "first" as c1 with id=y1
ann.s1 tells bob "first" as c1 with id=y2
ann tells bob "second" as c1 with id=y3
ann sees ack {id: y1, queued: true, messageId: $m, duplicate: true}
ann sees ack {id: y3, queued: false, error: ~"invalid: idempotency_key_reused"}
ann.s1 sees ack {id: y2, queued: true, messageId: $m, duplicate: true}
store heals
