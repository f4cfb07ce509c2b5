story: a peer that connects and closes again and again is announced once and leaves once
covers: mesh protocol 6.4; f_net_07
limits grace_ms=1000

mesh garden with ann, bob
bob connects
ann.s1 connects
bob sees event peer_joined
ann.s1 closes
ann.s1 connects
ann.s1 closes
ann.s1 connects
ann.s1 closes
ann.s1 connects
ann.s1 closes
bob sees event peer_left
bob sees no event peer_left
bob sees no event peer_joined
