story: whoever sends the same key while it is on its way gets the same receipt
covers: mesh protocol 8.10; f_acc_08
limits ack_deadline_ms=2000

mesh garden with ann, bob
ann connects
store delays 100ms
ann tells bob "ahead" as c0
ann tells bob "one" as c1 with receipt=true
ann tells bob "one" as c1 with receipt=true id=again
ann tells bob "one" as c1 with id=plain
ann sees ack {id: c0}
ann sees ack {id: c1, duplicate: false, receipt: {sequence: 1, signature: $sig}}
ann sees ack {id: again, duplicate: true, receipt: {sequence: 1, signature: $sig}}
ann sees ack {id: plain, duplicate: true, !receipt, !receipt_error}
