story: whoever has a key that was replaced keeps its member from nothing, however often he asks for another
covers: mesh protocol 1.8; f_aut_07
memory-only: the store takes its time

mesh garden with ann, bob
bob connects
ann rotates to ann2 -> 200 {pubkey: $ann2.key, rotatedAt: $at, formerUntil: $until}
ann connects with pubkey=$ann2.key signer=ann2
store delays 500ms
eve#1 begins to rotate to eve with meshId=$garden.id memberId=$ann.member pubkey=$ann.key signer=ann
eve#1 sees bytes "HTTP/1.1 409"
eve#2 begins to rotate to eve with meshId=$garden.id memberId=$ann.member pubkey=$ann.key signer=ann
wait 20ms
ann tells bob "undisturbed" as c1
ann sees ack {id: c1, queued: true, !error}
bob hears "undisturbed"
store heals
# The change that led to the present key is told again all the same.
ann rotates to ann2 -> 200 {pubkey: $ann2.key, rotatedAt: $at, formerUntil: $until}
ann rotates to ann3 -> 409 {error: member_key_rotated}
ann rotates to ann3 with pubkey=$ann2.key signer=ann2 -> 200 {formerPubkey: $ann2.key}
