story: a client with a session key in an ordinary hello gets its member's state back, and keeps it for the next
covers: mesh protocol 2.4; mesh protocol 6.4
limits grace_ms=50

mesh garden with ann, bob
ann.x connects legacy
ann.x sends {"type":"join_group","name":"red"}
ann.x sends {"type":"set_summary","summary":"digging","_reqId":"r"}
ann.x sees ack {_reqId: r}
ann.x closes
wait 100ms
ann.y greets legacy
ann.y sees hello_ack {restored: true, lastSummary: digging, restoredGroups: [{name: red}]}
ann.y sends {"type":"list_peers"}
ann.y sees peers_list {peers: [{pubkey: $ann.y.key, groups: [{name: red}], summary: null}]}
ann.y closes
wait 100ms
ann greets
ann sees hello_ack {restored: true, lastSummary: digging, restoredGroups: [{name: red}]}
