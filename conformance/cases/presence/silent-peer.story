story: a peer that answers no ping is cut off, has its grace, and is gone
covers: mesh protocol 6.5; mesh protocol 9; f_net_02
limits ping_ms=100 pong_ms=500 grace_ms=100

mesh garden with ann, bob
bob connects
ann connects
bob sees event peer_joined
ann ignores pings
ann sees ping
ann sees ping
ann sees end
log "ws stale terminate" {level: warn, presence_id: _, last_pong_ago_ms: _}
bob sees event peer_left
bob sees nothing
