story: a peer that does not read is sent away, its mail stays, and nobody else notices
covers: mesh protocol 7.2; f_net_03; f_frm_03
limits stall_ms=300 unacked_pushes_max=4096 message_bytes_max=1000000 payload_bytes_max=1000000 outbox_bytes_max=4000000
  lane_messages_max=4096 lease_ms=60000 unacked_sends_max=64 queued_bytes_per_mesh_max=1000000000 send_rate_per_minute=0
let big = "x"*700000

mesh garden with ann, bob, carl
ann connects
bob connects
carl connects
bob stops reading
ann sends 20 times {"type":"send","id":"c$n","client_message_id":"c$n","targetSpec":"$bob.key",
  "priority":"now","nonce":"","ciphertext":"$big"}
ann sees 20 times ack {queued: true}
metric peermesh_rejected_total{reason="slow_consumer"} 1
log "ws close"
ann tells carl "all well?"
ann sees ack {queued: true}
carl hears "all well?"
bob drops
bob connects
bob sees push {client_message_id: c1}
