story: at most so many pushes are out without an acknowledgement, and each one that comes lets another go
covers: mesh protocol 5.3; f_del_07
limits unacked_pushes_max=3

mesh garden with ann, bob
ann connects
bob connects
ann sends 6 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"now",
  "nonce":"","ciphertext":"eA=="}
bob sees push {client_message_id: a1, messageId: $m1}
bob sees push {client_message_id: a2, messageId: $m2}
bob sees push {client_message_id: a3}
bob sees nothing
bob acks $m2
bob sees push {client_message_id: a4}
bob sees nothing
bob acks $m1
bob sees push {client_message_id: a5}
bob sees nothing
