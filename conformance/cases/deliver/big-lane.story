story: a backlog of large messages is kept in the store and arrives whole
covers: mesh protocol 5.2; f_net_03
limits lane_bytes_max=1024 unacked_pushes_max=2 send_rate_per_minute=0
let big = "eHh4"*200

mesh garden with ann, bob
ann connects
ann sends 12 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"next",
  "nonce":"","ciphertext":"$big"}
ann sees 12 times ack {queued: true}
bob connects
bob sees push {client_message_id: a1, ciphertext: $big}
bob sends {"type":"client_ack","clientMessageId":"a1"}
bob sees push {client_message_id: a2}
bob sends {"type":"client_ack","clientMessageId":"a2"}
bob sees push {client_message_id: a3}
bob sends {"type":"client_ack","clientMessageId":"a3"}
bob sees push {client_message_id: a4}
bob sends {"type":"client_ack","clientMessageId":"a4"}
bob sees push {client_message_id: a5}
bob sees push {client_message_id: a6}
bob sees nothing
bob sends {"type":"client_ack","clientMessageId":"a6"}
bob sees push {client_message_id: a7}
