story: while the store is slow answers are slow but true, and what needs no store is as quick as ever
covers: mesh protocol 3.2; f_sto_12
limits unacked_sends_max=8 ping_ms=100 pong_ms=1000

mesh garden with ann, bob
ann connects
bob connects
store delays 250ms
ann sends 8 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"now",
  "nonce":"","ciphertext":"eA=="}
bob sends ping "quick"
bob sees pong "quick"
bob sends {"type":"list_peers","_reqId":"r"}
bob sees peers_list {_reqId: r}
bob sees ping
ann sees 8 times ack {id: "a$n", queued: true}
bob sees 8 times push {client_message_id: "a$n"}
ann tells bob "still slow" as c1
ann sees ack {id: c1, queued: true}
bob hears "still slow"
store heals
ann tells bob "quick again" as c2
ann sees ack {id: c2, queued: true}
