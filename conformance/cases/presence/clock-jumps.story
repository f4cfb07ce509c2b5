story: a wall clock that jumps ends no grace and no status early or late
covers: mesh protocol 6.3; mesh protocol 6.4; f_tim_01
limits grace_ms=1000 status_ttl_ms=1000 status_sweep_ms=50
memory-only: the clock moves

mesh garden with ann, bob, carl
bob connects
ann connects
carl connects
bob sees event peer_joined
bob sees event peer_joined
carl sends {"type":"set_status","status":"working","_reqId":"r"}
carl sees ack {_reqId: r}
ann drops
clock jumps +3600s
bob sees no event peer_left for 500ms
clock jumps -7200s
bob sees no event peer_left for 400ms
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{}, {displayName: ann}, {displayName: carl, status: working}]}
bob sees event peer_left {eventData: {name: ann}}
wait 200ms
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{}, {displayName: carl, status: idle}]}
log "clock jumped" {level: warn}
metric peermesh_clock_jumps_total 2
# A hello is judged by the clock there is.
ann connects with timestamp=now
