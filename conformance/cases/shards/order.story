story: order and windows hold in every shard
covers: mesh protocol 5.2; defect 22; f_net_01
shards 4
limits lane_messages_max=2 unacked_pushes_max=40 send_rate_per_minute=0

mesh one with ann, bob
mesh two with carl, dora
mesh three with eve, fay
ann connects
carl connects
eve connects
ann sends 40 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","nonce":"","ciphertext":"eA=="}
carl sends 40 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$dora.key","nonce":"","ciphertext":"eA=="}
eve sends 40 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$fay.key","nonce":"","ciphertext":"eA=="}
ann sees 40 times ack {id: "a$n", queued: true}
carl sees 40 times ack {id: "a$n", queued: true}
eve sees 40 times ack {id: "a$n", queued: true}
bob connects
dora connects
fay connects
bob sees 40 times push {client_message_id: "a$n", senderPubkey: $ann.key}
dora sees 40 times push {client_message_id: "a$n", senderPubkey: $carl.key}
fay sees 40 times push {client_message_id: "a$n", senderPubkey: $eve.key}
