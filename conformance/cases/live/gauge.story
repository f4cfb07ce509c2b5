story: the gauge of connections goes up and down with them
covers: live protocol 2.5; live protocol 2.6

config live=on

metric processor_live_connections{instance_id="story"} 0
ann watches
bob watches
metric processor_live_connections{instance_id="story"} 2
log "connection opened" {id: _, remote: "127.0.0.1"}
ann closes 1000 "done"
metric processor_live_connections{instance_id="story"} 1
log "connection closed" {id: _, code: 1000, reason: done}
bob drops
metric processor_live_connections{instance_id="story"} 0
log "connection closed" {id: _, code: 1006}
