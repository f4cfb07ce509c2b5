story: a peer whose connection ends has a while to come back before the others hear that it left
covers: mesh protocol 3.3; mesh protocol 6.4; mesh protocol 9
limits grace_ms=500

mesh garden with ann, bob
bob connects
ann greets
ann sees hello_ack {presenceId: $p}
bob sees event peer_joined {eventData: {name: ann, displayName: ann, pubkey: $ann.key, groups: []}}
ann drops
bob sees no event peer_left for 100ms
log "ws close" {presence_id: $p, grace_ms: 500}
bob sees event peer_left {eventData: {name: ann, pubkey: $ann.key}}
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}]}
log "lease grace expired — evicting" {presence_id: $p}
metric broker_connections_active 1
