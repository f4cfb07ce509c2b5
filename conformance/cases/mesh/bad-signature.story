story: a hello whose signature does not verify is refused, and nothing else happens
covers: mesh protocol 2.3 row 5; mesh protocol 7.2; f_aut_04

mesh garden with ann, bob
bob connects
ann greets with signer=eve
ann sees error {code: bad_signature, message: "hello rejected: bad_signature", !id, !_reqId}
ann sees close 1008 bad_signature
ann sees end
ann greets then memberId=forged
ann sees error {code: bad_signature}
ann sees close 1008 bad_signature
bob sees no event peer_joined
metric broker_connections_rejected_total{reason="bad_signature"} 2
log "hello sig rejected" {level: warn, reason: bad_signature, mesh_id: $garden.id}

# The honest one gets in.
ann connects
