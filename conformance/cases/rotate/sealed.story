story: what a member sealed before its rotation comes with the key that sealed it, and what it seals later with its own
covers: mesh protocol 1.8; mesh protocol 4.3

mesh garden with ann, bob
ann connects
ann.s1 connects
ann tells bob "sealed by the first key" as c1
ann sees ack {id: c1, messageId: $m}
ann.s1 tells bob "sealed by a session" as c2
ann.s1 sees ack {id: c2, messageId: _}
ann rotates to ann2 -> 200
ann sees close 1008 member_key_rotated
ann connects with pubkey=$ann2.key signer=ann2
ann tells bob "sealed by the second key" as c3
ann sees ack {id: c3, messageId: _}
ann rotates to ann3 with pubkey=$ann2.key signer=ann2 -> 200
ann sees close 1008 member_key_rotated
broker crashes
bob connects
bob hears "sealed by the first key" {senderPubkey: $ann.key, senderMemberPubkey: $ann3.key}
bob acks
bob hears "sealed by a session" {senderPubkey: $ann.s1.key, senderMemberPubkey: $ann3.key}
bob acks
bob hears "sealed by the second key" {senderPubkey: $ann2.key, senderMemberPubkey: $ann3.key}
bob asks /v1/messages/$m -> 200 {senderPubkey: $ann.key}
# A resend of a key that was used is told as before, whichever key the member has.
ann connects with pubkey=$ann3.key signer=ann3
ann tells bob "sealed by the first key" as c1
ann sees ack {id: c1, messageId: $m}
