story: a working status that nobody confirms ends by itself, and its mail goes out
covers: mesh protocol 6.3; mesh protocol 5.4; defect 4; f_del_06
limits status_ttl_ms=200 status_sweep_ms=50

mesh garden with ann, bob
ann connects
bob connects
bob sends {"type":"set_status","status":"working"}
bob sends {"type":"list_peers","_reqId":"done"}
bob sees peers_list {_reqId: done}
ann tells bob "held" as c1
ann sees ack
bob sees nothing for 100ms
bob hears "held"
metric broker_ttl_flipped_total 1
