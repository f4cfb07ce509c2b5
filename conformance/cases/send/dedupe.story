story: a resent key is answered with the first message id and stores nothing, even after a restart
covers: mesh protocol 3.2; mesh protocol 8.6; mesh protocol 5.6; defect 6; f_acc_08; f_acc_04

mesh garden with ann, bob, carl
ann connects
bob connects
carl connects
ann tells bob "once" as c1
ann sees ack {id: c1, queued: true, messageId: $m}
bob hears "once" {messageId: $m}
bob acks
ann tells bob "once" as c1
ann sees ack {id: c1, queued: true, messageId: $m, !error}
bob sees nothing
metric peermesh_messages_duplicate_total 1
metric peermesh_messages_accepted_total 1

# The key belongs to its sender: another one's is another message.
carl tells bob "mine" as c1
carl sees ack {id: c1, queued: true, messageId: $other}
bob hears "mine" {messageId: $other, senderPubkey: $carl.key}
bob acks
metric peermesh_deliveries_settled_total{outcome="delivered"} 2

broker restarts
ann connects
bob connects
ann tells bob "once" as c1 with id=again
ann sees ack {id: again, queued: true, messageId: $m}
bob sees nothing
