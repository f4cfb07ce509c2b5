story: an attestation that is missing or names other keys is refused before room and signatures are looked at
covers: mesh protocol 2.3 row 3; mesh protocol 9; f_aut_04
limits connections_per_mesh_max=1

mesh garden with ann, bob
bob connects
ann.s1 greets with !parentAttestation
ann.s1 sees error {code: attestation_mismatch, !id, !_reqId,
  message: "parentAttestation does not bind the claimed session+parent pubkeys"}
ann.s1 sees close 1008 attestation_mismatch
ann.s1 sees end
ann.s1 greets with parentAttestation=null
ann.s1 sees error {code: attestation_mismatch}
ann.s1 sees close 1008 attestation_mismatch
ann.s1 greets with parentAttestation="trust me"
ann.s1 sees error {code: attestation_mismatch}
ann.s1 sees close 1008 attestation_mismatch
ann.s1 greets with parentAttestation.sessionPubkey=$ann.s2.key
ann.s1 sees error {code: attestation_mismatch}
ann.s1 sees close 1008 attestation_mismatch
ann.s1 greets with parentAttestation.parentMemberPubkey=$bob.key attester=bob
ann.s1 sees error {code: attestation_mismatch}
ann.s1 sees close 1008 attestation_mismatch
ann.s1 greets with !parentAttestation.sessionPubkey
ann.s1 sees error {code: attestation_mismatch}
ann.s1 sees close 1008 attestation_mismatch
metric broker_connections_rejected_total{reason="attestation_mismatch"} 6
log "session_hello attestation rejected" {level: warn, reason: attestation_mismatch, mesh_id: $garden.id}

# The one that binds them finds no room, whatever the signatures are worth.
ann.s1 greets with attester=eve
ann.s1 sees error {code: capacity}
ann.s1 sees close 1008 capacity
