story: groups have a longest name and a largest number
covers: mesh protocol 3.5; f_jsn_01
limits groups_per_peer_max=2 name_bytes_max=64
let long = "g"*65

mesh garden with ann
ann connects
ann sends {"type":"join_group","name":"","_reqId":"r1"}
ann sees error {code: invalid_argument, _reqId: r1, id: r1}
ann sends {"type":"join_group","name":"$long","_reqId":"r2"}
ann sees error {code: invalid_argument, _reqId: r2}
ann sends {"type":"join_group","name":"a","role":"$long","_reqId":"r3"}
ann sees error {code: invalid_argument, _reqId: r3}
ann sends {"type":"join_group","_reqId":"r4"}
ann sees error {code: bad_request, _reqId: r4}
ann sends {"type":"join_group","name":"a"}
ann sends {"type":"join_group","name":"b"}
ann sends {"type":"join_group","name":"c","_reqId":"r5"}
ann sees error {code: limit, _reqId: r5}
ann sends {"type":"join_group","name":"b","role":"lead","_reqId":"r6"}
ann sees ack {_reqId: r6}
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{groups: [{name: a}, {name: b, role: lead}]}]}
