story: a session gets nothing back and overwrites nothing that its member gets back
covers: mesh protocol 2.4; mesh protocol 6.4; defect 30
limits grace_ms=50

mesh garden with ann, bob
bob connects
ann connects with groups=[{"name":"red"}]
ann sends {"type":"set_stats","stats":{"messagesIn":3,"messagesOut":2}}
ann sends {"type":"set_visible","visible":false}
ann sees ack
ann.s1 greets
ann.s1 sees hello_ack {!restored}
ann.s1 sends {"type":"join_group","name":"blue"}
ann.s1 sends {"type":"set_stats","stats":{"messagesIn":70}}
ann.s1 sends {"type":"set_summary","summary":"mine alone","_reqId":"r"}
ann.s1 sees ack {_reqId: r}
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: ann-s1, visible: true, groups: [{name: blue}],
  !profile}]}
ann closes
ann.s1 closes
wait 120ms
ann.s2 greets with groups=[]
ann.s2 sees hello_ack {!restored, !restoredGroups, !restoredStats}
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: ann-s2, groups: []}]}
ann greets
ann sees hello_ack {restored: true, !lastSummary, restoredGroups: [{name: red}],
  restoredStats: {messagesIn: 3, messagesOut: 2}}
