story: the newer connection of a session wins, and the older one is told so
covers: mesh protocol 6.4; mesh protocol 7.2; f_net_05; defect 10

mesh garden with ann, bob
bob connects
ann.s1 connects
bob sees event peer_joined {eventData: {pubkey: $ann.s1.key}}
ann.s1#2 connects
ann.s1 sees close 1000 session_replaced
ann.s1 sees end
bob sees no event peer_left for 50ms

# Mail goes to the newer one.
bob tells ann.s1 "still there?"
bob sees ack {queued: true}
ann.s1#2 hears "still there?"
ann.s1#2 acks

# The same session id in another member's mouth takes nothing from anybody.
bob.s1 connects with sessionId=ann-s1
ann.s1#2 sees nothing
