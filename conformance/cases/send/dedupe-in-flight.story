story: a key that is resent while its first commit is under way waits for that one's answer
covers: mesh protocol 3.2; mesh protocol 8.5; f_acc_08

mesh garden with ann, bob
ann connects
ann.s1 connects
bob connects
store delays 200ms
ann tells bob "once" as c1 with id=x1
ann tells bob "once" as c1 with id=x2
ann.s1 tells bob "once" as c1 with id=x3
ann sees nothing
store heals
ann sees ack {id: x1, queued: true, messageId: $m}
ann sees ack {id: x2, queued: true, messageId: $m}
ann.s1 sees ack {id: x3, queued: true, messageId: $m}
bob hears "once" {messageId: $m}
bob acks
bob sees nothing
metric peermesh_messages_accepted_total 1
metric peermesh_messages_duplicate_total 2
