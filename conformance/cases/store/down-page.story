story: mail that could not be read while the store was down comes when it is up, without anybody's doing
covers: mesh protocol 5.4; f_sto_10; f_clu_05
limits health_ms=50 lane_messages_max=1 unacked_pushes_max=1
error: db ping failed

mesh garden with ann, bob
ann connects
ann sends 5 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"next",
  "nonce":"","ciphertext":"eA=="}
ann sees 5 times ack {queued: true}
bob connects
bob sees push {client_message_id: a1}
store fails unavailable
bob sends {"type":"client_ack","clientMessageId":"a1"}
bob sends {"type":"client_ack","clientMessageId":"a2"}
wait 200ms
store heals
bob sees push {client_message_id: a2}
bob sends {"type":"client_ack","clientMessageId":"a2"}
bob sees push {client_message_id: a3}
bob sends {"type":"client_ack","clientMessageId":"a3"}
bob sees push {client_message_id: a4}
