story: a member gets another key, keeps its mail and its name, and is told of by a system event
covers: mesh protocol 1.8; f_dmn_11; f_aut_07

mesh garden with ann, bob
bob connects
# Mail that waits is the member's, whatever its key.
bob tells ann "while you were out" as c1
bob sees ack {id: c1, messageId: _}
ann rotates to ann2 -> 200 {memberId: $ann.member, pubkey: $ann2.key, formerPubkey: $ann.key,
  rotatedAt: _, formerUntil: _}
bob sees event member_keypair_rotated {eventData: {memberId: $ann.member, name: ann,
  pubkey: $ann2.key, formerPubkey: $ann.key, formerUntil: _}}
log "member key rotated" {level: info, mesh_id: $garden.id, member_id: $ann.member}
ann connects with pubkey=$ann2.key signer=ann2
ann hears "while you were out" {senderPubkey: $bob.key, senderMemberPubkey: $bob.key}
ann acks
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [..., {displayName: ann, pubkey: $ann2.key, memberPubkey: $ann2.key}, ...]}
# What is sent to the present key and, for a while, what is sent to the former one.
bob tells $ann2.key "to the present key" as c2
bob sees ack {id: c2, messageId: _}
ann hears "to the present key"
ann acks
bob tells $ann.key "to the former key" as c3
bob sees ack {id: c3, messageId: _}
ann hears "to the former key"
ann acks
# All of it outlives the process.
broker restarts
bob connects
ann connects with pubkey=$ann2.key signer=ann2
bob tells $ann.key "still here" as c4
bob sees ack {id: c4, messageId: _}
ann hears "still here"
ann acks
metric peermesh_member_requests_total{outcome="unauthorized"} 0
