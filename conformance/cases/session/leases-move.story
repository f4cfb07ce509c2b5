story: mail that a connection took and did not acknowledge moves to the newer one at once
covers: mesh protocol 5.3; mesh protocol 6.4; f_net_05

mesh garden with ann, bob
bob connects
ann.s1 connects
bob tells ann.s1 "for you" as c1
bob sees ack {queued: true}
ann.s1 hears "for you" {messageId: $m}
ann.s1#2 connects
ann.s1#2 hears "for you" {messageId: $m, client_message_id: c1}
ann.s1#2 acks
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
bob sends {"type":"message_status","messageId":"$m"}
bob sees message_status_result {delivered: true}
