story: while a key is being replaced its member seals nothing, its sessions do, and nobody comes in by the former key
covers: mesh protocol 1.8; mesh protocol 3.2; f_aut_07
memory-only: the store takes its time

mesh garden with ann, bob
ann connects
ann.s1 connects
bob connects
store delays 200ms
ann#9 begins to rotate to ann2
wait 20ms
ann tells bob "sealed by which key" as c1 with !client_message_id
ann sees ack {id: c1, error: ~"retry: key_rotating"}
ann.s1 tells bob "sealed by the session" as c2
# One change at a time, and a hello that is judged behind it.
ann rotates to ann3 -> 503 {error: busy}
ann.s2 greets
ann#9 sees bytes "HTTP/1.1 200"
ann sees close 1008 member_key_rotated
ann.s1 sees close 1008 member_key_rotated
ann.s2 sees error {code: member_key_rotated}
ann.s2 sees close 1008 member_key_rotated
bob sees event member_keypair_rotated
bob hears "sealed by the session" {senderPubkey: $ann.s1.key}
bob acks
store heals
ann.s1 connects with parentMemberPubkey=$ann2.key parentAttestation.parentMemberPubkey=$ann2.key attester=ann2
ann.s1 tells bob "sealed by the session" as c2
ann.s1 sees ack {id: c2, duplicate: true, messageId: $s}
# What was refused is sent again under its key.
ann connects with pubkey=$ann2.key signer=ann2
ann tells bob "sealed by which key" as c1
ann sees ack {id: c1, messageId: _}
bob hears "sealed by which key" {senderPubkey: $ann2.key}
