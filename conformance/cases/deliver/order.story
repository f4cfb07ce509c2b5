story: what one connection sends in one breath is accepted, answered and delivered in that order
covers: mesh protocol 5.2; defect 22; f_net_01
limits unacked_pushes_max=200 send_rate_per_minute=0

mesh garden with ann, bob
ann connects
bob connects
ann sends 150 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"next",
  "nonce":"","ciphertext":"eA=="}
ann sees 150 times ack {id: "a$n", queued: true}
bob sees 150 times push {client_message_id: "a$n"}
