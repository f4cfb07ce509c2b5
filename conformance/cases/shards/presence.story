story: presence, capacity and statuses are kept by mesh on whatever shard it lies
covers: mesh protocol 3.6; mesh protocol 6.3; mesh protocol 6.4
shards 2
limits grace_ms=150 status_ttl_ms=150 status_sweep_ms=25

mesh garden with ann, bob
mesh orchard with carl, dora
mesh meadow with eric, fred
bob connects
dora connects
fred connects
ann connects
carl connects
eric connects
ann sends {"type":"set_status","status":"working"}
carl sends {"type":"set_status","status":"working"}
eric sends {"type":"set_status","status":"working"}
bob sees event peer_joined {eventData: {name: ann}}
dora sees event peer_joined {eventData: {name: carl}}
fred sees event peer_joined {eventData: {name: eric}}
metric broker_ttl_flipped_total 3
metric broker_connections_active 6
ann drops
carl drops
eric drops
bob sees event peer_left
dora sees event peer_left
fred sees event peer_left
metric broker_connections_active 3
