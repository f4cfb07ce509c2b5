story: a recipient may acknowledge by the sender's id alone, by the broker's alone, or by both
covers: mesh protocol 3.4; appendix A 5

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "one" as c1
ann tells bob "two" as c2
ann tells bob "three" as c3
bob hears "one" {messageId: $m1}
bob hears "two" {messageId: $m2}
bob hears "three" {messageId: $m3}
bob sends {"type":"client_ack","clientMessageId":"c1"}
bob sends {"type":"client_ack","brokerMessageId":"$m2"}
bob sends {"type":"client_ack","brokerMessageId":"$m3","clientMessageId":"c3"}
metric peermesh_deliveries_settled_total{outcome="delivered"} 3
bob drops
bob connects
bob sees nothing
