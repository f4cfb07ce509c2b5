story: a working status that nobody confirms turns idle, and what waited is released
covers: mesh protocol 6.3; mesh protocol 1.4; defect 4; defect 40; f_del_06
limits status_ttl_ms=500 status_sweep_ms=25

mesh garden with ann, bob
ann connects
bob connects
ann sends {"type":"set_status","status":"dnd"}
bob sends {"type":"set_status","status":"working","_reqId":"r"}
bob sees ack {_reqId: r}
ann tells bob "when you can"
ann sees ack {queued: true}
bob sees nothing for 200ms
# Said again in time, it lasts as long again.
bob sends {"type":"set_status","status":"working"}
bob sees nothing for 350ms
bob hears "when you can"
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{displayName: ann, status: dnd}, {displayName: bob, status: idle}]}
metric broker_ttl_flipped_total 1
metric broker_ttl_sweeps_total{flipped="true"} 1
