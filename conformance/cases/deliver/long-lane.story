story: a backlog longer than memory arrives whole and in order, while more comes in
covers: mesh protocol 5.2; mesh protocol 4.3; f_net_01; f_acc_15
limits lane_messages_max=2 unacked_pushes_max=5 send_rate_per_minute=0

mesh garden with ann, bob
ann connects
ann sends 20 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"next",
  "nonce":"","ciphertext":"eA=="}
ann sees 20 times ack {queued: true}
bob connects
bob sees push {client_message_id: a1}
bob sends {"type":"client_ack","clientMessageId":"a1"}
ann sends 10 times {"type":"send","id":"b$n","client_message_id":"b$n","targetSpec":"$bob.key","priority":"next",
  "nonce":"","ciphertext":"eA=="}
ann sees 10 times ack {queued: true}
bob sees push {client_message_id: a2}
bob sees push {client_message_id: a3}
bob sees push {client_message_id: a4}
bob sees push {client_message_id: a5}
bob sees push {client_message_id: a6}
bob sees nothing
bob sends {"type":"client_ack","clientMessageId":"a2"}
bob sees push {client_message_id: a7}
bob sends {"type":"client_ack","clientMessageId":"a3"}
bob sees push {client_message_id: a8}

# What was out comes back first, then the rest.
broker restarts
bob connects
bob sees push {client_message_id: a4}
bob sees push {client_message_id: a5}
bob sees push {client_message_id: a6}
bob sees push {client_message_id: a7}
bob sees push {client_message_id: a8}
bob sees nothing
bob sends {"type":"client_ack","clientMessageId":"a4"}
bob sends {"type":"client_ack","clientMessageId":"a5"}
bob sends {"type":"client_ack","clientMessageId":"a6"}
bob sends {"type":"client_ack","clientMessageId":"a7"}
bob sends {"type":"client_ack","clientMessageId":"a8"}
bob sees push {client_message_id: a9}
bob sees push {client_message_id: a10}
bob sees push {client_message_id: a11}
bob sees push {client_message_id: a12}
bob sees push {client_message_id: a13}
bob sees nothing
