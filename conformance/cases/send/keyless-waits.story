story: a send without a key is not refused for what a resend holds on its way
covers: mesh protocol 8.7; f_acc_10
limits send_rate_per_minute=60 send_rate_burst=2 queued_per_mailbox_max=2

mesh garden with ann, bob, carl
ann connects
carl connects
ann tells bob "first" as c1
ann sees ack {id: c1, queued: true, messageId: $m}
store delays 100ms
# The resend holds the last of the budget, and the last place in the queue, until the store knows it.
ann tells bob "first" as c1
ann tells bob "no key" as x1 with !client_message_id
ann sees ack {id: c1, queued: true, messageId: $m, duplicate: true}
ann sees ack {id: x1, queued: true, duplicate: false}
store heals
# With nothing on its way it is refused at once, and pays each time.
carl tells bob "nor this" as y2 with !client_message_id
carl sees ack {id: y2, queued: false, error: ~"retry: queue_full"}
carl tells bob "nor this" as y3 with !client_message_id
carl sees ack {id: y3, queued: false, error: ~"retry: queue_full"}
carl tells bob "nor this" as y4 with !client_message_id
carl sees ack {id: y4, queued: false, error: ~"retry: rate_limit"}
bob connects
bob hears "first"
bob hears "no key"
