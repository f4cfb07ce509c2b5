story: a session key that another member used, or that is a member's own, is refused
covers: mesh protocol 2.3; mesh protocol 6.4; defect 11; f_aut_08

mesh garden with ann, bob
ann connects
ann.s1 connects
bob.s1 greets legacy with sessionPubkey=$ann.s1.key
bob.s1 sees error {code: bad_session_pubkey}
bob.s1 sees close 1008 bad_session_pubkey
bob.s1 greets with sessionPubkey=$ann.s1.key parentAttestation.sessionPubkey=$ann.s1.key signer=ann.s1
bob.s1 sees error {code: bad_session_pubkey}
bob.s1 sees close 1008 bad_session_pubkey
bob.s1 greets legacy with sessionPubkey=$ann.key
bob.s1 sees error {code: bad_session_pubkey}
bob.s1 sees close 1008 bad_session_pubkey
bob greets with sessionPubkey=$bob.key
bob sees error {code: bad_session_pubkey}
bob sees close 1008 bad_session_pubkey
ann.s1 sees nothing
log "session_hello rejected" {reason: bad_session_pubkey, mesh_id: $garden.id}

# Still so when its owner is away, and after a restart.
ann.s1 closes
broker restarts
bob.s1 greets legacy with sessionPubkey=$ann.s1.key
bob.s1 sees error {code: bad_session_pubkey}
bob.s1 sees close 1008 bad_session_pubkey
bob.s1 connects legacy
