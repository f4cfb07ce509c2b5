story: a client that never acknowledges and does not answer the ping either gets its mail again
covers: mesh protocol 5.3; defect 8; f_net_02
limits legacy_ping_ms=50 lease_ms=200

mesh garden with ann, bob
ann connects
bob.tty connects legacy
bob.tty ignores pings
ann tells bob "hello" as c1
ann sees ack
bob.tty hears "hello" {messageId: $m}
bob.tty sees ping
bob.tty hears "hello" {messageId: $m}
# A pong to nobody's ping settles nothing.
bob.tty sends pong "12345678"
bob.tty sends pong ""
bob.tty hears "hello" {messageId: $m}
metric peermesh_deliveries_settled_total{outcome="delivered"} 0
