story: who asks must be a member that signed this very request, and is told nothing else
covers: mesh protocol 1.7; f_aut_06; f_aut_08

mesh garden with ann, bob
mesh desert with dan
ann connects
ann tells bob "hello" as c1
ann sees ack {messageId: $m}
# The form comes first.
ann asks /v1/messages/$m then !authorization -> 401 {error: bad_authorization, message: ~"Authorization: Peermesh"}
ann asks /v1/messages/$m then authorization="Bearer x" -> 401 {error: bad_authorization}
ann asks /v1/messages/$m then authorization="Peermesh a|b|c" -> 401 {error: bad_authorization}
ann asks /v1/messages/$m then signature=00 -> 401 {error: bad_authorization}
ann asks /v1/messages/$m then pubkey=xyz -> 401 {error: bad_authorization}
ann asks /v1/messages/$m then timestamp=soon -> 401 {error: bad_authorization}
# Then the signature; a wrong one, a stranger, a mesh that is not there and one that is another's are one.
ann asks /v1/messages/$m with signer=eve -> 401 {error: unauthorized, message: $none}
ann asks /v1/messages/$m with target=/v1/mentions -> 401 {error: unauthorized, message: $none}
ann asks /v1/messages/$m then memberId=$bob.member -> 401 {error: unauthorized, message: $none}
ann asks /v1/messages/$m then meshId=$desert.id -> 401 {error: unauthorized, message: $none}
eve asks /v1/messages/$m with meshId=$garden.id -> 401 {error: unauthorized, message: $none}
dan asks /v1/messages/$m with meshId=$garden.id -> 401 {error: unauthorized, message: $none}
ann asks /v1/messages/$m with meshId="nowhere" -> 401 {error: unauthorized, message: $none}
# A member that signs well under another's name, and a session's key, are nobody.
ann asks /v1/messages/$m with memberId=$bob.member -> 401 {error: unauthorized, message: $none}
ann.s1 connects
ann asks /v1/messages/$m with pubkey=$ann.s1.key signer=ann.s1 -> 401 {error: unauthorized, message: $none}
log "member request rejected" {level: warn, reason: unauthorized, mesh_id: $garden.id, pubkey: _}
# What is asked has a form, too, and other paths and methods are none.
ann asks /v1/messages/short12 -> 400 {error: bad_request, message: ~"8 to 32"}
ann asks /v1/messages/with-dashes -> 400 {error: bad_request}
ann asks /v1/messages/$m?x=1 -> 400 {error: bad_request}
ann asks /v1/messages/ -> 404 "not found"
ann asks /v1/messages -> 404 "not found"
ann asks /v1/nothing -> 404 "not found"
http POST /v1/messages/$m -> 404 "not found"
http OPTIONS /v1/mentions -> 404 "not found"
metric peermesh_member_requests_total{outcome="unauthorized"} 15
metric peermesh_member_requests_total{outcome="bad_request"} 3
