story: mail to a session's key waits for that session, wherever its member is
covers: mesh protocol 4.3; defect 1; defect 7

mesh garden with ann, bob
ann connects
bob connects
bob.s1 connects
ann tells bob.s1 "you" as c1
ann sees ack {id: c1, queued: true, recipients: 1, online: 1}
bob.s1 hears "you"
bob.s1 acks
bob.s1 sees nothing
bob.s1 drops
metric broker_connections_active 2
ann tells bob.s1 "you again" as c2
ann sees ack {id: c2, queued: true, recipients: 1, online: 0}
bob sees nothing
bob.s2 connects
bob.s2 sees nothing

# It was seen once, so it is known for good.
broker restarts
ann connects
bob connects
ann tells bob.s1 "and again" as c3
ann sees ack {id: c3, queued: true, online: 0}
bob sees nothing
bob.s1 connects
bob.s1 hears "you again"
bob.s1 acks
bob.s1 hears "and again"
