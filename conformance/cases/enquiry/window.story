story: behind a recipient that acknowledges nothing, the first message waits for it and the others for the first
covers: mesh protocol 1.7; mesh protocol 5.3
limits unacked_pushes_max=2 lease_ms=60000

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "1" as c1
ann sees ack {messageId: $m1}
ann tells bob "2" as c2
ann sees ack {messageId: $m2}
ann tells bob "3" as c3
ann sees ack {messageId: $m3}
ann tells bob "4" as c4
ann sees ack {messageId: $m4}
bob hears "1"
bob hears "2"
ann asks /v1/messages/$m2 -> 200 {recipients: [{state: leased}]}
ann asks /v1/messages/$m3 -> 200 {recipients: [{state: queued, reason: rate, unacknowledged: 2, ahead: 0}]}
ann asks /v1/messages/$m4 -> 200 {recipients: [{state: queued, reason: lane, ahead: 1, !unacknowledged}]}
bob acks $m1
bob hears "3"
ann asks /v1/messages/$m4 -> 200 {recipients: [{state: queued, reason: rate, unacknowledged: 2, ahead: 0}]}
