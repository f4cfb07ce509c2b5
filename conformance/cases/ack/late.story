story: an acknowledgement that comes late, twice or on a newer connection counts once and does no harm
covers: mesh protocol 3.4; mesh protocol 5.3; f_del_01
limits lease_ms=200

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "slow to answer" as c1
ann sees ack {messageId: $m}
bob hears "slow to answer" {messageId: $m}
bob sends {"type":"set_status","status":"working"}
# The lease ends; the message waits behind the gate, and the late word still counts.
wait 250ms
bob acks
bob acks
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
bob sends {"type":"set_status","status":"idle"}
bob sends {"type":"list_peers","_reqId":"done"}
bob sees peers_list {_reqId: done}

# On a newer connection of the same peer.
ann tells bob "another" as c2
ann sees ack
bob hears "another" {messageId: $m2}
bob sends {"type":"set_status","status":"working"}
bob sends {"type":"list_peers","_reqId":"done"}
bob sees peers_list {_reqId: done}
bob drops
bob connects
bob acks $m2
bob sees nothing
bob sends {"type":"set_status","status":"idle"}
bob sends {"type":"list_peers","_reqId":"done"}
bob sees peers_list {_reqId: done}
metric peermesh_deliveries_settled_total{outcome="delivered"} 2
