story: a hello whose session key has the wrong form is refused before anything else is looked at
covers: mesh protocol 2.3 row 1; mesh protocol 7.2; mesh protocol 9
let upper = "A"*64
let short = "a"*63

mesh garden with ann
ann greets with sessionPubkey=xyz
ann sees error {code: bad_session_pubkey, message: "sessionPubkey must be 64 lowercase hex chars", !id,
  !_reqId}
ann sees close 1008 bad_session_pubkey
ann sees end
ann greets with sessionPubkey=$upper
ann sees error {code: bad_session_pubkey}
ann sees close 1008 bad_session_pubkey
ann greets with sessionPubkey=$short signer=eve timestamp=1
ann sees error {code: bad_session_pubkey}
ann sees close 1008 bad_session_pubkey
ann greets with sessionPubkey=5
ann sees error {code: bad_session_pubkey}
ann sees close 1008 bad_session_pubkey
metric broker_connections_rejected_total{reason="bad_session_pubkey"} 4
log "hello rejected" {level: warn, reason: bad_session_pubkey, mesh_id: $garden.id, session_pubkey: xyz}

# An empty one is none.
ann connects with sessionPubkey=""
