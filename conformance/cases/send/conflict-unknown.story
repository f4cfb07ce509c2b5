story: while nobody knows what became of a commit, another request under its key is told neither yes nor no
covers: mesh protocol 8.6; f_acc_07; f_acc_09
limits ack_deadline_ms=200 commit_retry_ms_min=20 commit_retry_ms_max=50

mesh garden with ann, bob
ann connects
store forgets replies
ann tells bob "one" as c1
ann tells bob "other" as c1 with id=other
ann sees ack {id: c1, queued: false, error: ~"retry: store_down send the same client_message_id again"}
ann sees ack {id: other, queued: false, error: ~"retry: store_down", !conflict}
ann tells bob "other" as c1 with id=late
ann sees ack {id: late, queued: false, error: ~"retry: store_down", !conflict}
store heals
ann tells bob "other" as c1 with id=after
ann sees ack {id: after, queued: false, error: ~"invalid: idempotency_key_reused", broker_message_id: $m}
ann tells bob "one" as c1 with id=again
ann sees ack {id: again, queued: true, duplicate: true, messageId: $m}
bob connects
bob hears "one"
bob acks
bob sees nothing
