story: a peer that hides is out of the others' lists until it shows itself again
covers: mesh protocol 3.5; mesh protocol 3.6

mesh garden with ann, bob
bob connects
ann connects
ann.s1 connects
ann sends {"type":"set_visible","visible":false,"_reqId":"r1"}
ann sees ack {id: r1, _reqId: r1, messageId: "", queued: false}
bob sees event peer_hidden {eventData: {name: ann, pubkey: $ann.key}}
ann.s1 sees event peer_hidden
ann sees no event peer_hidden
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: ann-s1}]}
ann.s1 sends {"type":"list_peers"}
ann.s1 sees peers_list {peers: [{displayName: bob}, {displayName: ann, visible: false}, {displayName:
  ann-s1}]}
# Direct mail still arrives.
bob tells ann "I know you are there"
bob sees ack {queued: true}
ann hears "I know you are there"
ann sends {"type":"set_visible","visible":true}
ann sees ack {id: "", messageId: "", queued: false, !_reqId}
bob sees event peer_visible {eventData: {name: ann}}
bob sends {"type":"list_peers","_reqId":"r2"}
bob sees peers_list {_reqId: r2, peers: [{displayName: bob}, {displayName: ann, visible: true}, {displayName:
  ann-s1}]}
ann sends {"type":"set_visible","visible":"no","_reqId":"r3"}
ann sees error {code: bad_request, _reqId: r3, id: r3}
