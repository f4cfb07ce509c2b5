story: a sender that goes before its answer leaves its message behind, accepted and delivered
covers: mesh protocol 3.2; f_acc_04; f_net_01

mesh garden with ann, bob
ann connects
bob connects
store delays 200ms
ann tells bob "last words" as c1
ann sees nothing
ann drops
bob hears "last words" {senderName: ann, client_message_id: c1, messageId: $m}
bob acks
store heals
ann connects
ann tells bob "last words" as c1
ann sees ack {id: c1, queued: true, messageId: $m}
bob sees nothing
