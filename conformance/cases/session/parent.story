story: a session comes in as its parent's only when the parent is a member, and is the one that was named
covers: mesh protocol 2.3 rows 7 and 8; f_aut_08

mesh garden with ann, bob
eve.s1 greets
eve.s1 sees error {code: unauthorized, message: "parent pubkey not found in mesh", !id, !_reqId}
eve.s1 sees close 1008 unauthorized
eve.s1 sees end
ann.s1 greets with parentMemberId=$bob.member
ann.s1 sees error {code: parent_member_id_mismatch, message:
  "parentMemberId does not match parentMemberPubkey"}
ann.s1 sees close 1008 parent_member_id_mismatch
metric broker_connections_rejected_total{reason="unauthorized"} 1
metric broker_connections_rejected_total{reason="parent_member_id_mismatch"} 1
log "session_hello rejected" {reason: parent_member_id_mismatch}

ann.s1 connects with parentMemberId="" role=boss
ann.s1 closes
ann.s1 connects with !parentMemberId
