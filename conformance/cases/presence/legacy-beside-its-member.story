story: a short command beside its member's own connection does not overwrite what that one said
covers: mesh protocol 2.4; mesh protocol 6.4; defect 30
limits grace_ms=50

mesh garden with ann, bob
ann connects with groups=[{"name":"red"}]
ann sends {"type":"join_group","name":"blue","_reqId":"r1"}
ann sees ack {_reqId: r1}
ann.x greets legacy with displayName=short
ann.x sees hello_ack {restored: true, restoredGroups: [{name: red}, {name: blue}]}
ann sends {"type":"leave_group","name":"blue","_reqId":"r2"}
ann sees ack {_reqId: r2}
ann.x closes
ann closes
wait 120ms
bob connects
bob sends {"type":"list_peers","all":true}
bob sees peers_list {peers: [{displayName: bob}, {displayName: ann, online: false}]}
ann greets
ann sees hello_ack {restored: true, restoredGroups: [{name: red}]}
