story: a flood of control frames ends its connection, and an ordinary number of them is answered
covers: mesh protocol 7.2; f_frm_03
limits control_per_second_max=10 control_burst=20

mesh garden with ann, bob
ann connects
bob connects
ann sends 20 times ping "x"
ann sees pong "x"
bob sends 60 times ping "y"
bob sees close 1008 control_flood
metric peermesh_rejected_total{reason="control_flood"} 1
ann sends {"type":"list_peers","_reqId":"r"}
ann sees peers_list {_reqId: r}
wait 200ms
ann sends pong "unasked"
ann sees nothing
