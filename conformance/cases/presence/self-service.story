story: what a peer says of itself has bounds, and every request that names itself is answered under its name
covers: mesh protocol 3.5; f_jsn_02
limits text_bytes_max=64
let long = "x"*65

mesh garden with ann, bob
ann connects
bob connects
ann sends {"type":"set_summary","summary":"digging","_reqId":"r1"}
ann sees ack {id: r1, _reqId: r1, messageId: "", queued: false, !error}
ann sends {"type":"set_summary","summary":"$long","_reqId":"r2"}
ann sees error {code: invalid_argument, _reqId: r2, id: r2}
ann sends {"type":"set_summary","_reqId":"r3"}
ann sees ack {_reqId: r3}
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: ann, summary: ""}, {displayName: bob, summary: null}]}
ann sends {"type":"set_profile","bio":"$long","_reqId":"r4"}
ann sees error {code: invalid_argument, _reqId: r4}
ann sends {"type":"set_profile","avatar":"a","title":"t","bio":"b","capabilities":["x"],"__proto__":1,
  "_reqId":"r5"}
ann sees ack {_reqId: r5}
ann sends {"type":"set_profile","title":"u"}
ann sees ack {id: "", !_reqId}
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{profile: {avatar: a, title: u, bio: b, capabilities: [x]}}, {!profile}]}
# What names itself with something else than a text is not named in the answer.
ann sends {"type":"set_visible","visible":true,"_reqId":7}
ann sees ack {id: "", !_reqId}
ann sends {"type":"set_status","status":"idle"}
ann sends {"type":"set_stats","stats":{}}
ann sees nothing
