story: a key that is resent on a newer connection while its commit is under way gets the one true answer
covers: mesh protocol 3.2; f_acc_08; f_net_05

mesh garden with ann, bob
ann connects
bob connects
store delays 200ms
ann tells bob "once" as c1
ann sees nothing
ann drops
store heals
ann connects
ann tells bob "once" as c1
ann sees ack {id: c1, queued: true, messageId: $m}
bob hears "once" {messageId: $m}
bob acks
bob sees nothing
