story: the end of a connection that was replaced before changes nothing
covers: mesh protocol 6.4; f_net_05
limits grace_ms=80

mesh garden with ann, bob
bob connects
ann.s1 connects
ann.s1 ignores pings
ann.s1 stops reading
ann.s1#2 connects
ann.s1#3 connects
ann.s1#2 sees close 1000 session_replaced
ann.s1 drops
ann.s1#2 drops
bob sees no event peer_left for 150ms
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: ann-s1, status: idle}]}
bob tells ann.s1 "to the newest"
bob sees ack {queued: true}
ann.s1#3 hears "to the newest"
