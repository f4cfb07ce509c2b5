story: a session that comes back under another session id is the same session
covers: mesh protocol 6.4; defect 51

mesh garden with ann, bob
bob connects
ann.s1 greets with sessionId=tab-1
ann.s1 sees hello_ack {presenceId: $p}
bob sees event peer_joined
ann.s1 drops
wait 30ms
ann.s1 greets with sessionId=tab-2 cwd=/other
ann.s1 sees hello_ack {presenceId: $p}
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{}, {displayName: ann-s1, sessionId: tab-2, cwd: /other}]}
bob sees no event peer_joined
bob tells ann.s1 "found you"
bob sees ack {queued: true}
ann.s1 hears "found you"
