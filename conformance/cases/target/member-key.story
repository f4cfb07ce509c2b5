story: mail to a member's key goes to its own connection, else to its newest one, and to one only
covers: mesh protocol 4.3; defect 7; f_del_05

mesh garden with ann, bob
ann connects
bob.s1 connects
bob.s2 connects
ann tells bob "newest" as c1
ann sees ack {id: c1, online: 1}
bob.s2 hears "newest"
bob.s2 acks
bob connects
ann tells bob "own" as c2
bob hears "own"
bob acks
bob.s1 sees nothing
bob.s2 sees nothing

# Its own connection goes: the newest takes over.
bob drops
metric broker_connections_active 3
ann tells bob "newest again" as c3
bob.s2 hears "newest again"
bob.s2 acks
bob.s1 sees nothing
