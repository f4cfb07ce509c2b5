story: a session hello whose keys have the wrong form is refused, the session's key first
covers: mesh protocol 2.3 rows 1 and 2; mesh protocol 9
let upper = "B"*64

mesh garden with ann
ann.s1 greets with sessionPubkey=xyz
ann.s1 sees error {code: bad_session_pubkey, message: "sessionPubkey must be 64 lowercase hex chars", !id,
  !_reqId}
ann.s1 sees close 1008 bad_session_pubkey
ann.s1 sees end
ann.s1 greets with !sessionPubkey
ann.s1 sees error {code: bad_session_pubkey}
ann.s1 sees close 1008 bad_session_pubkey
ann.s1 greets with sessionPubkey=$upper parentMemberPubkey=xyz
ann.s1 sees error {code: bad_session_pubkey}
ann.s1 sees close 1008 bad_session_pubkey
ann.s1 greets with parentMemberPubkey=xyz
ann.s1 sees error {code: bad_parent_pubkey, message: "parentMemberPubkey must be 64 lowercase hex chars", !id,
  !_reqId}
ann.s1 sees close 1008 bad_parent_pubkey
ann.s1 sees end
ann.s1 greets with !parentMemberPubkey !parentAttestation
ann.s1 sees error {code: bad_parent_pubkey}
ann.s1 sees close 1008 bad_parent_pubkey
ann.s1 greets with parentMemberPubkey=[1]
ann.s1 sees error {code: bad_parent_pubkey}
ann.s1 sees close 1008 bad_parent_pubkey
metric broker_connections_rejected_total{reason="bad_session_pubkey"} 3
metric broker_connections_rejected_total{reason="bad_parent_pubkey"} 3
log "session_hello rejected" {level: warn, reason: bad_parent_pubkey, mesh_id: $garden.id, pubkey: xyz}
