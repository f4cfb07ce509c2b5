story: a message that came back from a lease after its time expires instead of going out again
covers: mesh protocol 5.5; f_del_08
limits message_ttl_ms=100 retention_sweep_ms=20 lease_ms=250

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "too late" as c1
bob hears "too late"
bob sends {"type":"set_status","status":"working"}
metric peermesh_deliveries_settled_total{outcome="expired"} 1
bob sends {"type":"set_status","status":"idle"}
bob sends {"type":"list_peers","_reqId":"done"}
bob sees peers_list {_reqId: done}
# An acknowledgement of what has expired does no harm.
bob acks
metric peermesh_deliveries_settled_total{outcome="delivered"} 0
