story: a rotation whose answer was lost is asked for again and told as before; a copy of it changes nothing
covers: mesh protocol 1.8; f_aut_03; f_acc_07

mesh garden with ann, bob
bob connects
ann rotates to ann2 -> 200 {pubkey: $ann2.key, rotatedAt: $at, formerUntil: $until}
bob sees event member_keypair_rotated
ann connects with pubkey=$ann2.key signer=ann2
# The very bytes, and a fresh request of the same keys: the same answer, and nobody is sent away.
ann rotates to again -> 200 {pubkey: $ann2.key, rotatedAt: $at, formerUntil: $until}
ann rotates to ann2 -> 200 {pubkey: $ann2.key, rotatedAt: $at, formerUntil: $until}
broker restarts
ann rotates to again -> 200 {pubkey: $ann2.key, rotatedAt: $at, formerUntil: $until}
bob connects
ann connects with pubkey=$ann2.key signer=ann2
bob sees no event member_keypair_rotated
# Once the member has gone on, the copy is of yesterday.
ann rotates to ann3 with pubkey=$ann2.key signer=ann2 -> 200 {pubkey: $ann3.key, formerPubkey: $ann2.key}
ann sees close 1008 member_key_rotated
ann rotates to ann2 -> 409 {error: member_key_rotated}
ann connects with pubkey=$ann3.key signer=ann3
metric peermesh_member_keys_rotated_total 1
