story: a rotation that the store refused did not happen, and one whose outcome nobody knew happened once or not at all
covers: mesh protocol 1.8; f_acc_07
memory-only: the store fails on purpose

mesh garden with ann, bob
ann connects
bob connects
store refuses one write
ann rotates to ann2 -> 503 {error: busy}
ann tells bob "still the first key" as c1
ann sees ack {id: c1, messageId: _}
bob hears "still the first key" {senderPubkey: $ann.key}
bob acks
store forgets replies
wait 1s
store heals
ann rotates to ann2 -> 200
ann sees close 1008 member_key_rotated
bob sees event member_keypair_rotated
broker drains
