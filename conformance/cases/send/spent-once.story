story: a key that is refused for its target spends once, however often it comes again, and nothing comes back
covers: mesh protocol 8.7; f_acc_10
limits send_rate_per_minute=10 send_rate_burst=3 queued_per_mailbox_max=1

mesh garden with ann, bob, carl
ann connects
ann tells bob "fills" as c1
ann sees ack {id: c1, queued: true}
ann tells bob "full" as c2
ann sees ack {id: c2, queued: false, error: ~"retry: queue_full"}
ann tells bob "full" as c2
ann sees ack {id: c2, queued: false, error: ~"retry: queue_full"}
ann tells bob "full" as c2
ann sees ack {id: c2, queued: false, error: ~"retry: queue_full"}
metric cm_broker_rate_limit_consumed_then_b2_rejected_total 1
ann tells nobody "whom" as c3 with targetSpec="no such"
ann sees ack {id: c3, queued: false, error: ~"invalid: target_not_found"}
metric cm_broker_rate_limit_consumed_then_b2_rejected_total 2
# Three were spent. A key that has paid is still judged, another one is not.
ann tells carl "more" as c4
ann sees ack {id: c4, queued: false, error: ~"retry: rate_limit"}
ann tells bob "full" as c2
ann sees ack {id: c2, queued: false, error: ~"retry: queue_full"}
bob connects
bob hears "fills"
bob acks
wait 50ms
ann tells bob "full" as c2
ann sees ack {id: c2, queued: true, duplicate: false}
