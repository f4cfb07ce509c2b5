story: mail expires in a mesh that nobody has visited since the start
covers: mesh protocol 5.5; f_del_08; f_lif_07
limits message_ttl_ms=200 retention_sweep_ms=50

mesh garden with ann, bob
ann connects
ann tells bob "old" as c1
ann sees ack {messageId: $m}
broker restarts
wait 350ms
ann connects
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {recipients: [{name: bob, status: expired}]}
bob connects
bob sees nothing
