story: only so many sends of one connection are read before the first is answered, and none is lost
covers: mesh protocol 3.2; f_sto_12; f_net_03
limits unacked_sends_max=4

mesh garden with ann, bob
ann connects
bob connects
store delays 100ms
ann sends 30 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"now",
  "nonce":"","ciphertext":"eA=="}
ann sees nothing for 50ms
store heals
ann sees 30 times ack {id: "a$n", queued: true}
ann sends {"type":"list_peers","_reqId":"after"}
ann sees peers_list {_reqId: after}
bob sees 30 times push {client_message_id: "a$n"}
