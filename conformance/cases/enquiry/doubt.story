story: while it is in doubt whether a mesh is still ours, that is why its mail waits, and who asks waits with it
covers: mesh protocol 1.7; mesh protocol 5.3; f_clu_04; f_tim_04
memory-only: the clock moves

mesh garden with ann, bob
store says lease_ms=2000
wait 1s
ann connects
bob connects
bob sends {"type":"set_status","status":"working"}
ann tells bob "held" as c1
ann sees ack {messageId: $m}
# The process may have slept.
clock jumps +10s
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {recipients: [{state: queued, reason: store, !recipientStatus}]}
ann asks /v1/messages/$m -> 200 {recipients: [{reason: status, recipientStatus: working}]}
