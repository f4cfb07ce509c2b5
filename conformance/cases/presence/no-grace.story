story: without grace a peer is gone as soon as its connection is
covers: mesh protocol 6.4
limits grace_ms=0

mesh garden with ann, bob
bob connects
ann connects
bob sees event peer_joined
ann drops
bob sees event peer_left {eventData: {name: ann}}
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}]}
