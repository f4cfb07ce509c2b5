story: an old client that does acknowledge is believed
covers: mesh protocol 3.4; appendix A 5
limits legacy_ping_ms=100

mesh garden with ann, bob
ann connects
bob.tty connects legacy
ann tells bob.tty "hello" as c1
ann sees ack
bob.tty hears "hello"
bob.tty acks
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
bob.tty sees nothing for 200ms
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
