story: for a client that never acknowledges, the pong after a push counts
covers: mesh protocol 3.4; mesh protocol 6.5; defect 8
limits legacy_ping_ms=100 lease_ms=400

mesh garden with ann, bob
ann connects
bob.tty connects legacy
ann tells bob "hello" as c1
ann sees ack {messageId: $m, online: 1}
bob.tty hears "hello"
bob.tty sees ping
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
bob.tty sees nothing for 450ms
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {delivered: true}
metric peermesh_redeliveries_total 0
