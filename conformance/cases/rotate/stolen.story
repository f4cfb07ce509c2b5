story: after a rotation the former key opens nothing, and whoever came in by it or by its word is sent away
covers: mesh protocol 1.8; mesh protocol 2.3 row 6c; f_aut_07

mesh garden with ann, bob
ann connects
ann.s1 connects
ann#2 connects with capabilities=["send_only"]
bob connects
ann rotates to ann2 -> 200 {pubkey: $ann2.key}
ann sees close 1008 member_key_rotated
ann.s1 sees close 1008 member_key_rotated
ann#2 sees close 1008 member_key_rotated
bob sees event member_keypair_rotated
ann greets
ann sees error {code: member_key_rotated, message: ~"present key", !id}
ann sees close 1008 member_key_rotated
# An attestation of before is the former key's word.
ann.s1 greets
ann.s1 sees error {code: member_key_rotated}
ann.s1 sees close 1008 member_key_rotated
# So is nothing that it signs over HTTP, nor another rotation.
ann asks /v1/mentions -> 401 {error: member_key_rotated, message: ~"present key"}
ann rotates to eve -> 409 {error: member_key_rotated, message: ~"before"}
log "member key not rotated" {level: warn, reason: member_key_rotated, mesh_id: $garden.id}
# Nobody has it as a session's key, nor joins by it.
bob.s1 greets with sessionPubkey=$ann.key parentAttestation.sessionPubkey=$ann.key signer=ann
bob.s1 sees error {code: bad_session_pubkey}
bob.s1 sees close 1008 bad_session_pubkey
# The session comes back by the present key's word, and goes on where it was.
ann.s1 connects with parentMemberPubkey=$ann2.key parentAttestation.parentMemberPubkey=$ann2.key attester=ann2
ann connects with pubkey=$ann2.key signer=ann2
ann asks /v1/mentions with pubkey=$ann2.key signer=ann2 -> 200 {mentions: []}
bob sees no event peer_left
broker restarts
ann greets
ann sees error {code: member_key_rotated}
ann sees close 1008 member_key_rotated
metric broker_connections_rejected_total{reason="member_key_rotated"} 1
