story: among waiting mail of all kinds, urgent goes first without stopping the rest
covers: mesh protocol 5.2; f_del_07
limits unacked_pushes_max=16 send_rate_per_minute=0

mesh garden with ann, bob
ann connects
ann sends 4 times {"type":"send","id":"l$n","client_message_id":"l$n","targetSpec":"$bob.key","priority":"low","nonce":"","ciphertext":"eA=="}
ann sends 8 times {"type":"send","id":"x$n","client_message_id":"x$n","targetSpec":"$bob.key","priority":"next","nonce":"","ciphertext":"eA=="}
ann sends 30 times {"type":"send","id":"n$n","client_message_id":"n$n","targetSpec":"$bob.key","priority":"now","nonce":"","ciphertext":"eA=="}
ann sees 42 times ack {queued: true}
bob connects
bob sees push {client_message_id: n1}
bob sees push {client_message_id: n2}
bob sees push {client_message_id: n3}
bob sees push {client_message_id: x1}
bob sees push {client_message_id: n4}
bob sees push {client_message_id: n5}
bob sees push {client_message_id: n6}
bob sees push {client_message_id: x2}
bob sees push {client_message_id: n7}
bob sees push {client_message_id: n8}
bob sees push {client_message_id: n9}
bob sees push {client_message_id: x3}
bob sees push {client_message_id: n10}
bob sees push {client_message_id: n11}
bob sees push {client_message_id: n12}
bob sees push {client_message_id: l1}
bob sees nothing
