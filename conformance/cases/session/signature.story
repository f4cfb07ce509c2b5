story: a session hello must be fresh, whole and signed by the session's own key
covers: mesh protocol 2.2; mesh protocol 2.3 row 6; mesh protocol 9

mesh garden with ann
ann.s1 greets with timestamp=now-61000
ann.s1 sees error {code: timestamp_skew, message: "session_hello rejected: timestamp_skew", serverTime: _,
  !id, !_reqId}
ann.s1 sees close 1008 timestamp_skew
ann.s1 sees end
ann.s1 greets with signature=00
ann.s1 sees error {code: malformed, message: "session_hello rejected: malformed"}
ann.s1 sees close 1008 malformed
ann.s1 greets with !pid
ann.s1 sees error {code: malformed, message: "session_hello rejected: malformed"}
ann.s1 sees close 1008 malformed
ann.s1 greets with timestamp="noon"
ann.s1 sees error {code: malformed, message: "session_hello rejected: malformed"}
ann.s1 sees close 1008 malformed
# The member's signature is not enough.
ann.s1 greets with signer=ann
ann.s1 sees error {code: bad_signature, message: "session_hello rejected: bad_signature"}
ann.s1 sees close 1008 bad_signature
ann.s1 greets then meshId=elsewhere
ann.s1 sees error {code: bad_signature}
ann.s1 sees close 1008 bad_signature
metric broker_connections_rejected_total{reason="session_timestamp_skew"} 1
metric broker_connections_rejected_total{reason="session_malformed"} 3
metric broker_connections_rejected_total{reason="session_bad_signature"} 2
log "session_hello sig rejected" {level: warn, reason: bad_signature, mesh_id: $garden.id, pubkey: _,
  session_pubkey: _}
log "session_hello sig rejected" {reason: malformed}
log "session_hello sig rejected" {reason: timestamp_skew}

ann.s1 connects
