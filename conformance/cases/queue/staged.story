story: while too much waits for the store, further sends are told to come back
covers: mesh protocol 3.2; f_sto_11; f_sto_12
limits staged_max=16

mesh garden with ann, bob
ann connects
bob connects
store delays 300ms
ann sends 20 times {"type":"send","id":"a$n","client_message_id":"a$n","targetSpec":"$bob.key","priority":"now",
  "nonce":"","ciphertext":"eA=="}
ann sends {"type":"send","id":"b1","targetSpec":"$bob.key","priority":"now","nonce":"","ciphertext":"eA=="}
# What has no key cannot have been accepted before; of the others the store is asked first.
ann sees ack {id: b1, queued: false, error: ~"retry: busy"}
ann sees 16 times ack {id: "a$n", queued: true}
ann sees ack {id: a17, queued: false, error: ~"retry: busy"}
ann sees ack {id: a18, queued: false, error: ~"retry: busy"}
ann sees ack {id: a19, queued: false, error: ~"retry: busy"}
ann sees ack {id: a20, queued: false, error: ~"retry: busy"}
metric broker_messages_rejected_total{reason="busy"} 5
store heals
bob sees 16 times push {client_message_id: "a$n"}
ann tells bob "in time" as a17
ann sees ack {id: a17, queued: true}
