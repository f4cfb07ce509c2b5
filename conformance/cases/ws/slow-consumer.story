story: a peer that stops reading is closed after a while with the word to come back, and its mail is there when it does
covers: mesh protocol 7.2; f_net_03
limits stall_ms=300 outbox_bytes_max=262144 message_bytes_max=65536 send_window_bytes=1024 unacked_pushes_max=250
  unacked_sends_max=64 send_rate_per_minute=0 lease_ms=60000 pong_ms=60000 ping_ms=30000
let big = "eHh4"*16000

mesh garden with ann, bob
ann connects
bob connects
bob stops reading
ann sends 250 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"now",
  "nonce":"","ciphertext":"$big"}
ann sees 250 times ack {queued: true}
metric peermesh_rejected_total{reason="slow_consumer"} 1
ann sends {"type":"list_peers","_reqId":"r"}
ann sees peers_list {_reqId: r}
bob drops
bob connects
bob sees 100 times push {client_message_id: "a$n"}
