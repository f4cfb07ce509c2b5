story: a connection that only sends speaks for its member's own connection, if there is one
covers: mesh protocol 3.5; mesh protocol 6.1

mesh garden with ann, bob
bob connects
ann connects with capabilities=["send_only"]
ann sends {"type":"set_status","status":"working","_reqId":"r1"}
ann sees error {code: no_presence, _reqId: r1, id: r1}
ann.s1 connects
ann.s2 connects
ann#2 connects
ann sends {"type":"set_status","status":"working","_reqId":"r2"}
ann sees ack {id: r2, _reqId: r2, messageId: "", queued: false}
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: ann-s1, status: idle}, {displayName: ann-s2,
  status: idle},
  {displayName: ann, status: working}]}
