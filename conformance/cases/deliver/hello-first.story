story: waiting mail follows the acknowledgement of the hello, never goes ahead of it
covers: mesh protocol 2.4; defect 23; mesh protocol 5.4
shards 2

mesh garden with ann, bob
ann connects
ann sends 5 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"now",
  "nonce":"","ciphertext":"eA=="}
ann sees 5 times ack {queued: true}
bob connects
bob sees 5 times push {client_message_id: "a$n"}
bob drops
bob.s1 connects
bob.s1 sees 5 times push {client_message_id: "a$n"}
