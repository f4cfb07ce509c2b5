story: a full mesh refuses a newcomer, before its signature is looked at and after its session key is
covers: mesh protocol 2.3 row 2; mesh protocol 7.1; mesh protocol 9
limits connections_per_mesh_max=2

mesh garden with ann, bob, carl
ann connects
bob connects
carl greets
carl sees error {code: capacity, message: "mesh at connection capacity", !id, !_reqId}
carl sees close 1008 capacity
carl sees end
carl greets with signer=eve
carl sees error {code: capacity}
carl sees close 1008 capacity
carl greets with sessionPubkey=xyz
carl sees error {code: bad_session_pubkey}
carl sees close 1008 bad_session_pubkey
carl.s1 greets
carl.s1 sees error {code: capacity, message: "mesh at connection capacity"}
carl.s1 sees close 1008 capacity
metric broker_connections_rejected_total{reason="capacity"} 3
metric broker_connections_active 2
log "mesh at capacity" {level: warn, mesh_id: $garden.id, existing: 2, cap: 2}
log "mesh at capacity (session_hello)" {level: warn, mesh_id: $garden.id}
