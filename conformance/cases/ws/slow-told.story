story: a peer that reads again after its stall hears why it was closed, and its mail comes with its next connection
covers: mesh protocol 7.2; f_net_03
limits stall_ms=300 close_ms=5000 outbox_bytes_max=262144 message_bytes_max=65536 send_window_bytes=1024 lease_ms=60000
  pong_ms=60000 ping_ms=30000 send_rate_per_minute=0
memory-only: how much of a push a socket takes before it stalls depends on the system
let big = "eHh4"*8000

mesh garden with ann, bob
ann connects
bob connects
bob stops reading
ann sends 8 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"now",
  "nonce":"","ciphertext":"$big"}
ann sees 8 times ack {queued: true}
metric peermesh_rejected_total{reason="slow_consumer"} 1
bob reads again
# What the system had of a push comes whole; what only waited comes again.
bob sees push {client_message_id: a1}
bob sees close 4008 slow_consumer
bob connects
bob sees 8 times push
