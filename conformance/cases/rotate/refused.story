story: a key is replaced only for who has it, has the other one, says so in time, and takes nobody else's
covers: mesh protocol 1.8; f_aut_04; f_aut_06; f_aut_08

mesh garden with ann, bob
mesh desert with dan
ann connects
bob connects
# The form comes first, then the clock.
ann rotates to ann2 then signature=00 -> 400 {error: bad_request, message: ~"signature:"}
ann rotates to ann2 then newPubkey=xyz -> 400 {error: bad_request, message: ~"newPubkey:"}
ann rotates to ann2 then !timestamp -> 400 {error: bad_request, message: ~"timestamp"}
ann rotates to ann -> 400 {error: bad_request, message: ~"newPubkey:"}
http POST /v1/member/key {"meshId": 1} -> 400 {error: bad_request}
http GET /v1/member/key -> 404 "not found"
ann rotates to ann2 with timestamp=now-61000 -> 401 {error: timestamp_skew, serverTime: _}
ann rotates to ann2 with timestamp=now+61000 -> 401 {error: timestamp_skew}
# Then both signatures, over every part.
ann rotates to ann2 with signer=eve -> 401 {error: unauthorized, message: $none}
ann rotates to ann2 with newSigner=eve -> 401 {error: bad_new_signature}
ann rotates to ann2 then newPubkey=$eve.key -> 401 {error: unauthorized, message: $none}
ann rotates to ann2 then memberId=$bob.member -> 401 {error: unauthorized, message: $none}
ann rotates to ann2 then meshId=$desert.id -> 401 {error: unauthorized, message: $none}
# Then who it is; a stranger learns no more than who signed wrongly.
ann rotates to ann2 with memberId=$bob.member -> 401 {error: unauthorized, message: $none}
ann rotates to ann2 with meshId=$desert.id -> 401 {error: unauthorized, message: $none}
ann rotates to ann2 with meshId="nowhere" -> 401 {error: unauthorized, message: $none}
eve rotates to eve2 with meshId=$garden.id memberId=$ann.member -> 401 {error: unauthorized, message: $none}
# A session's key is no member's.
ann.s1 connects
ann rotates to ann2 with pubkey=$ann.s1.key signer=ann.s1 -> 401 {error: unauthorized, message: $none}
# Nobody's key is taken: not a member's, not a session's, not one that somebody had.
ann rotates to bob -> 409 {error: key_taken, message: ~"newPubkey"}
ann rotates to ann.s1 -> 409 {error: key_taken}
bob rotates to bob2 -> 200 {pubkey: $bob2.key}
ann rotates to bob -> 409 {error: key_taken}
bob rotates to bob with pubkey=$bob2.key signer=bob2 -> 409 {error: key_taken}
# A key of another mesh is free in this one.
ann rotates to dan -> 200 {pubkey: $dan.key}
# Who was removed gets no key.
http DELETE /admin/meshes/garden/members/$bob.member with authorization="Bearer $admin" -> 200
bob rotates to bob3 with pubkey=$bob2.key signer=bob2 -> 401 {error: revoked}
bob rotates to bob3 -> 401 {error: revoked}
