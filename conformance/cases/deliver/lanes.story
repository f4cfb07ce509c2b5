story: mail of one urgency keeps its order whoever sends it, and nobody's mail waits for another mailbox
covers: mesh protocol 5.2; defect 35

mesh garden with ann, bob, carl, dora
ann connects
bob connects
carl connects
dora connects
carl stops reading
ann tells carl "one" as c1
ann sees ack
bob tells carl "two" as c2
bob sees ack
ann tells dora "me too" as c3
ann sees ack
dora hears "me too"
carl reads again
carl hears "one" {senderName: ann}
carl hears "two" {senderName: bob}
