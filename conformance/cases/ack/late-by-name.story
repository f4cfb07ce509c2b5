story: a late acknowledgement counts by the sender's id as well, and by ours in its place
covers: mesh protocol 3.4; f_del_01
limits lease_ms=150

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "one" as c1
ann sees ack
ann tells bob "two" with !client_message_id
bob hears "one"
bob hears "two" {messageId: $m2, !client_message_id}
bob sends {"type":"set_status","status":"working"}
bob sees nothing for 200ms
ann tells bob "unheard" as c3
ann sees 2 times ack
bob sends {"type":"client_ack","clientMessageId":"c1"}
bob sends {"type":"client_ack","clientMessageId":"$m2"}
# What was never pushed cannot be acknowledged by a name that anybody might guess.
bob sends {"type":"client_ack","clientMessageId":"c3"}
bob sends {"type":"set_status","status":"idle"}
bob hears "unheard"
bob sees nothing
metric peermesh_deliveries_settled_total{outcome="delivered"} 2
