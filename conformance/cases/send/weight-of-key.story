story: a key that paid for one recipient pays the rest when it comes again for many
covers: mesh protocol 8.7; f_acc_10
limits send_rate_per_minute=6 send_rate_burst=3

mesh garden with ann, bob, carl, dora, eve, fay
ann connects
ann tells nobody "whom" as c1 with targetSpec="no such"
ann sees ack {id: c1, queued: false, error: ~"invalid: target_not_found"}
metric cm_broker_rate_limit_consumed_then_b2_rejected_total 1
# One is spent. A message to all costs the whole budget, so it takes the two that are left.
ann tells * "to all" as c1
ann sees ack {id: c1, queued: true, duplicate: false, recipients: 5}
ann tells bob "and you" as c2
ann sees ack {id: c2, queued: false, error: ~"retry: rate_limit"}
# What is known spends nothing.
ann tells * "to all" as c1
ann sees ack {id: c1, queued: true, duplicate: true}
