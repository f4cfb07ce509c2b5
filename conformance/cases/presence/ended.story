story: no presence outlives its broker: after a stop and after a crash nobody is there who has not come back
covers: mesh protocol 6.4; mesh protocol 9; defect 38; f_lif_02

mesh garden with ann, bob
ann connects
ann.s1 connects
bob connects
ann sends {"type":"set_summary","summary":"before","_reqId":"r"}
ann sees ack {_reqId: r}
broker restarts
ann sees close 1001 "shutting down"
bob connects
bob sends {"type":"list_peers","all":true}
bob sees peers_list {peers: [{displayName: bob, online: true}, {displayName: ann, online: false}]}
ann greets
ann sees hello_ack {restored: true, lastSummary: before}
bob sees event peer_returned {eventData: {name: ann}}
broker crashes
bob connects
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}]}
ann greets
ann sees hello_ack {restored: true, lastSummary: before}
