story: a new session under the same session id takes the old one's place, without a word to the others
covers: mesh protocol 6.4; mesh protocol 9; defect 51

mesh garden with ann, bob
bob connects
ann.s1 greets with sessionId=tab
ann.s1 sees hello_ack {presenceId: $p}
bob sees event peer_joined {eventData: {pubkey: $ann.s1.key}}
ann.s2 connects with sessionId=tab
ann.s1 sees close 1000 session_replaced
bob sees no event peer_left
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: ann-s2, pubkey: $ann.s2.key, sessionId: tab}]}
log "session_hello dedup" {old_presence: $p, session_id: tab}

# One that is away, too.
ann.s2 drops
wait 30ms
ann.s3 connects with sessionId=tab
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: ann-s3}]}
