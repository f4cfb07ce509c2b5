story: a former key reaches its member for a while, and only so many of them do
covers: mesh protocol 1.8; f_dos_04
limits former_keys_max=2 former_key_grace_ms=5000
memory-only: the grace of a key passes

mesh garden with ann, bob
bob connects
ann rotates to ann2 -> 200 {formerUntil: $first}
ann rotates to ann3 with pubkey=$ann2.key signer=ann2 -> 200
ann rotates to ann4 with pubkey=$ann3.key signer=ann3 -> 429 {error: too_many_keys, retryAt: $first}
bob tells $ann.key "to the oldest" as c1
bob sees ack {id: c1, messageId: $first_id}
wait 5s
bob tells $ann.key "to nobody" as c2
bob sees ack {id: c2, error: ~"target_not_found"}
# What was accepted is told as before, though its key reaches nobody by now.
bob tells $ann.key "to the oldest" as c1
bob sees ack {id: c1, messageId: $first_id, duplicate: true}
ann rotates to ann4 with pubkey=$ann3.key signer=ann3 -> 200
# A key whose time is over is still nobody else's, and still says why it opens nothing.
bob rotates to ann -> 409 {error: key_taken}
ann greets
ann sees error {code: member_key_rotated}
ann sees close 1008 member_key_rotated
ann connects with pubkey=$ann4.key signer=ann4
ann hears "to the oldest"
