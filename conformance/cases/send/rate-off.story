story: a rate of nought is no limit
covers: mesh protocol 7.1
limits send_rate_per_minute=0 unacked_pushes_max=4096

mesh garden with ann, bob
ann connects
ann sends 150 times {"type":"send","id":"a$n","targetSpec":"$bob.key","priority":"now","nonce":"","ciphertext":"eA=="}
ann sees 150 times ack {id: "a$n", queued: true}
