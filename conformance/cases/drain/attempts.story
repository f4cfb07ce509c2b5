story: a broker that stops counts no attempt against the mail that was on its way
covers: mesh protocol 5.3; mesh protocol 9.1; f_del_03; f_lif_01
limits deliveries_max=2

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "patience" as c1
bob hears "patience" {messageId: $m}
broker restarts
bob connects
bob hears "patience" {messageId: $m}
broker restarts
bob connects
bob hears "patience" {messageId: $m}
bob acks
bob sees nothing
