story: a client that never acknowledges gets its whole backlog, window by window
covers: mesh protocol 5.3; defect 8
limits legacy_ping_ms=50 unacked_pushes_max=4

mesh garden with ann, bob
ann connects
ann sends 10 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"next",
  "nonce":"","ciphertext":"eA=="}
ann sees 10 times ack {queued: true}
bob.tty connects legacy
bob.tty sees 10 times push {client_message_id: "a$n"}
metric peermesh_deliveries_settled_total{outcome="delivered"} 10
metric peermesh_redeliveries_total 0
