story: with the default limits a peer may come back within ninety seconds before the others hear that it left
covers: mesh protocol 6.4; defect 18
long: it waits for a grace of ninety seconds

mesh garden with ann, bob
ann connects
bob connects
bob drops
ann sees no event peer_left for 80s
ann sends {"type":"list_peers","_reqId":"r1"}
ann sees peers_list {_reqId: r1, peers: [{displayName: ann}, {displayName: bob}]}
wait 11s
ann sees event peer_left {eventData: {name: bob}}
ann sends {"type":"list_peers","_reqId":"r2"}
ann sees peers_list {_reqId: r2, peers: [{displayName: ann}]}
