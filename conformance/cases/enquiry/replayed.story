story: a request is good once, and for as long as a hello is
covers: mesh protocol 1.7; f_aut_03

mesh garden with ann, bob
ann connects
ann tells bob "hello" as c1
ann sees ack {messageId: $m}
ann asks /v1/messages/$m -> 200
ann asks again -> 401 {error: replayed, message: ~"made before"}
# One that finds nothing is used up as well, and a crash forgets none.
ann asks /v1/messages/00000000 -> 404
ann asks again -> 401 {error: replayed}
broker crashes
ann asks again -> 401 {error: replayed}
ann asks /v1/messages/$m with timestamp=now-60001 -> 401 {error: timestamp_skew, serverTime: _}
ann asks /v1/messages/$m with timestamp=now+120000 -> 401 {error: timestamp_skew}
ann asks /v1/messages/$m with timestamp=now-50000 -> 200
log "member request rejected" {reason: replayed, mesh_id: $garden.id}
log "member request rejected" {reason: timestamp_skew}
