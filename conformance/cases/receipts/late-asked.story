story: a receipt is the first send's to ask for, and whoever asks behind it on its way is told so
covers: mesh protocol 8.10; f_acc_08
limits ack_deadline_ms=2000 send_rate_per_minute=60 send_rate_burst=1

mesh garden with ann, bob
ann connects
store delays 100ms
ann tells bob "one" as c1
ann tells bob "one" as c1 with receipt=true id=again
ann sees ack {id: c1, duplicate: false, !receipt, !receipt_error}
ann sees ack {id: again, duplicate: true, !receipt, receipt_error: ~"without a receipt"}
# What was refused was never accepted, so whoever asks when it comes again is the first.
ann tells bob "two" as c2
ann sees ack {id: c2, queued: false, error: ~"retry: rate_limit"}
store heals
wait 1100ms
ann tells bob "two" as c2 with receipt=true
ann sees ack {id: c2, duplicate: false, receipt: {sequence: 1}}
