story: a peer that pauses and reads on in time gets everything, once, in order and at once
covers: mesh protocol 7.2; f_net_03
limits stall_ms=5000 outbox_bytes_max=262144 message_bytes_max=65536 send_window_bytes=1024 unacked_pushes_max=250
  send_rate_per_minute=0 lease_ms=60000
let big = "eHh4"*16000

mesh garden with ann, bob
ann connects
bob connects
bob stops reading
ann sends 200 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"now",
  "nonce":"","ciphertext":"$big"}
ann sees 200 times ack {queued: true}
bob reads again
bob sees 200 times push {client_message_id: "a$n"}
metric peermesh_redeliveries_total 0
