story: a receipt needs a key of idempotency, and what is refused has none
covers: mesh protocol 8.10; f_acc_09

mesh garden with ann, bob
ann connects
ann tells bob "no key" as c1 with receipt=true !client_message_id
ann sees ack {queued: false, error: ~"invalid: schema a receipt needs a client_message_id", !receipt, !receipt_error}
ann tells nobody "nowhere" as c2 with receipt=true
ann sees ack {queued: false, error: ~"target_not_found", !receipt}
ann tells bob "first" as c3 with receipt=true
ann sees ack {receipt: {sequence: 1}}
ann tells bob "other" as c3 with receipt=true
ann sees ack {queued: false, conflict: request_fingerprint_mismatch, !receipt, !receipt_error}
ann tells bob "unreadable" as c4 with receipt="yes"
ann sees ack {queued: false, error: ~"invalid: schema"}
ann tells bob "second" as c5 with receipt=true
ann sees ack {receipt: {sequence: 2}}
