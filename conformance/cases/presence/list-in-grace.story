story: a peer in grace stays in the list as it was, and siblings do not mix
covers: mesh protocol 3.6; defect 18
limits grace_ms=4000 ping_ms=50 pong_ms=500

mesh garden with ann, bob
bob connects
ann connects
ann.s1 connects
ann.s2 connects
ann.s1 sends {"type":"set_visible","visible":false,"_reqId":"r"}
ann.s1 sees ack {_reqId: r}
ann.s2 drops
wait 700ms
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: ann, cwd: /home/ann, visible: true, peerRole:
  control-plane},
  {displayName: ann-s2, cwd: /src/ann/s2, visible: true, peerRole: session}]}
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{displayName: bob}, {displayName: ann}, {displayName: ann-s1, visible: false},
  {displayName: ann-s2}]}
