story: a chain of answers that was cut may go on after a while, and slow talk is no chain
covers: mesh protocol 3.2; f_del_09
limits reply_hops_max=1 reply_hop_ms=60000
memory-only: minutes pass

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "1" as a1
ann sees ack {messageId: $m1}
bob hears "1"
bob acks
bob tells ann "2" as b1 with replyToId=$m1
bob sees ack {queued: true, messageId: $m2}
ann hears "2"
ann acks
ann tells bob "3" as a2 with replyToId=$m2
ann sees ack {queued: false, error: ~"invalid: reply_chain"}
wait 59s
ann tells bob "3" as a3 with replyToId=$m1
ann sees ack {queued: false, error: ~"answer nothing in that chain for 1"}
wait 2s
ann tells bob "3" as a4 with replyToId=$m2
ann sees ack {queued: true, messageId: $m3}
bob hears "3"
bob acks
wait 61s
bob tells ann "4" as b2 with replyToId=$m3
bob sees ack {queued: true}
ann hears "4"
