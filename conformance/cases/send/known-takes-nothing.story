story: what a resend took from the budget on its way is there again for the next message
covers: mesh protocol 8.7; f_acc_10
limits send_rate_per_minute=60 send_rate_burst=2

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "first" as c1
ann sees ack {id: c1, queued: true}
store delays 100ms
# The resend holds the last of the budget until the store knows it; the message behind it waits for that.
ann tells bob "first" as c1
ann tells bob "second" as c2
ann sees ack {id: c1, queued: true, duplicate: true}
ann sees ack {id: c2, queued: true, duplicate: false}
store heals
ann tells bob "third" as c3
ann sees ack {id: c3, queued: false, error: ~"retry: rate_limit"}
