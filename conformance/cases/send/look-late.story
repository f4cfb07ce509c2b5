story: a look that takes too long is answered, and the next one tells
covers: mesh protocol 3.2; mesh protocol 8.5; f_acc_07; f_acc_10
limits send_rate_per_minute=60 send_rate_burst=1 ack_deadline_ms=100

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "first" as c1
ann sees ack {id: c1, queued: true, messageId: $m}
store delays 300ms
ann tells bob "other" as c2
ann tells bob "first" as c1
ann sees ack {id: c2, queued: false, error: ~"retry: store_down send the same client_message_id again"}
ann sees ack {id: c1, queued: false, error: ~"retry: store_down send the same client_message_id again"}
wait 800ms
store heals
ann tells bob "first" as c1
ann sees ack {id: c1, queued: true, messageId: $m, duplicate: true}
bob hears "first"
bob sees nothing
