story: a peer joins and leaves groups by name, and joining again only changes its role
covers: mesh protocol 3.5; mesh protocol 4.1; defect 12

mesh garden with ann, bob
ann connects
bob connects
ann sends {"type":"join_group","name":"red","role":"lead","_reqId":"r1"}
ann sees ack {id: r1, _reqId: r1, queued: false}
ann sends {"type":"join_group","name":"blue"}
ann sends {"type":"join_group","name":"red","_reqId":"r2"}
ann sees ack {_reqId: r2}
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{groups: [{name: red, !role}, {name: blue}]}, {groups: []}]}
bob tells @red "to red"
bob sees ack {queued: true}
ann hears "to red"
ann acks
ann sends {"type":"leave_group","name":"red","_reqId":"r3"}
ann sees ack {_reqId: r3}
ann sends {"type":"leave_group","name":"never there","_reqId":"r4"}
ann sees ack {_reqId: r4}
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{groups: [{name: blue}]}, {}]}
# A name is a name, whatever it looks like.
ann sends {"type":"join_group","name":"'; DROP TABLE members; --","_reqId":"r5"}
ann sees ack {_reqId: r5}
bob tells @any "still there?" with targetSpec="@'; DROP TABLE members; --"
bob sees ack {queued: true}
ann hears "still there?"
