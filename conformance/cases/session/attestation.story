story: an attestation that is past, good for too long, misshapen or signed by somebody else is refused
covers: mesh protocol 2.2; mesh protocol 2.3 row 5; mesh protocol 9; f_aut_04

mesh garden with ann
ann.s1 greets with parentAttestation.expiresAt=now-1
ann.s1 sees error {code: expired, message: "attestation rejected: expired", !id, !_reqId}
ann.s1 sees close 1008 expired
ann.s1 sees end
ann.s1 greets with parentAttestation.expiresAt=now+86500000
ann.s1 sees error {code: ttl_too_long, message: "attestation rejected: ttl_too_long"}
ann.s1 sees close 1008 ttl_too_long
ann.s1 greets with parentAttestation.expiresAt="never"
ann.s1 sees error {code: malformed, message: "attestation rejected: malformed"}
ann.s1 sees close 1008 malformed
ann.s1 greets with !parentAttestation.expiresAt
ann.s1 sees error {code: malformed, message: "attestation rejected: malformed"}
ann.s1 sees close 1008 malformed
ann.s1 greets with parentAttestation.signature=00
ann.s1 sees error {code: malformed, message: "attestation rejected: malformed"}
ann.s1 sees close 1008 malformed
ann.s1 greets with attester=eve
ann.s1 sees error {code: bad_signature, message: "attestation rejected: bad_signature"}
ann.s1 sees close 1008 bad_signature
ann.s1 greets then parentAttestation.expiresAt=now+60000
ann.s1 sees error {code: bad_signature, message: "attestation rejected: bad_signature"}
ann.s1 sees close 1008 bad_signature
# Time before form, the attestation before the hello itself.
ann.s1 greets with parentAttestation.expiresAt=1 parentAttestation.signature=00 signer=eve timestamp=1
ann.s1 sees error {code: expired}
ann.s1 sees close 1008 expired
metric broker_connections_rejected_total{reason="attestation_expired"} 2
metric broker_connections_rejected_total{reason="attestation_ttl_too_long"} 1
metric broker_connections_rejected_total{reason="attestation_malformed"} 3
metric broker_connections_rejected_total{reason="attestation_bad_signature"} 2
log "session_hello attestation rejected" {level: warn, reason: expired, mesh_id: $garden.id, session_pubkey:
  _}

ann.s1 connects with parentAttestation.expiresAt=now+86300000
