story: a session key is its first user's for good
covers: mesh protocol 2.3 row 9; defect 11; f_aut_08

mesh garden with ann, bob
ann.s1 connects
bob.s1 greets with sessionPubkey=$ann.s1.key parentAttestation.sessionPubkey=$ann.s1.key signer=ann.s1
bob.s1 sees error {code: bad_session_pubkey, message: "sessionPubkey is another member's session or a member key"}
bob.s1 sees close 1008 bad_session_pubkey
bob greets with sessionPubkey=$ann.key
bob sees error {code: bad_session_pubkey}
bob sees close 1008 bad_session_pubkey

# Also after its own connection and presence are gone, and after a restart.
broker restarts
bob#2 greets with sessionPubkey=$ann.s1.key
bob#2 sees error {code: bad_session_pubkey}
bob#2 sees close 1008 bad_session_pubkey
