story: a broker that is told to stop in the middle of a burst keeps what it accepted, and says of the rest that it did not
covers: mesh protocol 9; f_lif_01; f_lif_02
limits unacked_sends_max=100

mesh garden with ann, bob
ann connects
bob connects
store delays 400ms
ann sends 20 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"now",
  "nonce":"","ciphertext":"eA=="}
ann sees nothing for 20ms
broker drains
ann sends {"type":"send","id":"b1","client_message_id":"b1","targetSpec":"$bob.key","ciphertext":"eA=="}
ann sees 20 times ack {id: "a$n", queued: true}
ann sees ack {id: b1, queued: false, error: ~"retry: draining"}
ann sees close 1001 "shutting down"
ann sees end
bob sees 20 times push {client_message_id: "a$n"}
bob sees close 1001
store heals
broker restarts
bob connects
bob sees 20 times push {client_message_id: "a$n"}
bob sees nothing
