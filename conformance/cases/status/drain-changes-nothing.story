story: taking mail never changes a status
covers: mesh protocol 6.2; defect 17

mesh garden with ann, bob
ann connects
bob connects
bob sends {"type":"set_status","status":"working","_reqId":"r"}
bob sees ack {_reqId: r}
ann tells bob "held"
ann sees ack {queued: true}
ann tells bob "now" with priority="now"
ann sees ack {queued: true}
bob hears "now"
bob acks
bob sees nothing
bob drops
wait 30ms
ann tells bob "now again" with priority="now"
ann sees ack {queued: true}
bob connects
bob hears "now again"
bob sees nothing for 60ms
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{displayName: ann}, {displayName: bob, status: working}]}
