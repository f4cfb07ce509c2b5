story: a message is seen by its sender and its recipients, each recipient its own part; to all others it is unknown
covers: mesh protocol 1.7; f_iso_01; f_aut_06

mesh garden with ann, bob, carl, eve
mesh desert with dan
ann connects
bob connects
eve connects
ann tells bob "for bob" as c1
ann sees ack {messageId: $m}
bob hears "for bob"
# The recipient sees its own row; a prefix will do.
bob asks /v1/messages/$m -> 200 {messageId: $m, role: recipient, targetSpec: $bob.key, senderName: ann,
  states: {queued: 0, leased: 1}, recipients: [{name: bob, state: leased}]}
# Whoever has no part in it, a stranger, and an id that was made up get one answer.
carl asks /v1/messages/$m -> 404 with content-type="application/json" {error: not_found, message: $none}
dan asks /v1/messages/$m -> 404 {error: not_found, message: $none}
ann asks /v1/messages/00000000000000000000000000000000 -> 404 {error: not_found, message: $none}
ann asks /v1/messages/00000000 -> 404 {error: not_found, message: $none}
metric peermesh_member_requests_total{outcome="not_found"} 4
# Of a message to many each recipient sees itself, its sessions included.
bob acks
ann tells * "all" as c2
ann sees ack {messageId: $all, recipients: 3}
bob hears "all"
eve hears "all"
bob asks /v1/messages/$all -> 200 {targetSpec: "*", states: {queued: 0, leased: 1}, recipients: [{name: bob,
  state: leased}]}
carl asks /v1/messages/$all -> 200 {states: {queued: 1, leased: 0}, recipients: [{name: carl, state: queued,
  reason: offline}]}
ann asks /v1/messages/$all -> 200 {role: sender, states: {queued: 1, leased: 2}}
# On the socket a recipient sees the others as everybody does, and of itself more.
eve sends {"type":"message_status","messageId":"$all"}
eve sees message_status_result {role: recipient, recipients: [{name: bob, status: held, !state}, {name: carl,
  status: disconnected, !state}, {name: eve, status: held, state: leased}]}
eve sends {"type":"message_status","messageId":"$m"}
eve sees message_status_result {delivered: true, recipients: [{name: bob, status: delivered, !state}], !role,
  !acceptedAt}
