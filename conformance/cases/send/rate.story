story: a sender over its rate is told to come back, and another one is not held up
covers: mesh protocol 3.2; mesh protocol 7.1
limits send_rate_per_minute=600 send_rate_burst=3

mesh garden with ann, bob
ann connects
ann.s1 connects
bob connects
ann sends 3 times {"type":"send","id":"a$n","targetSpec":"$bob.key","priority":"now","nonce":"","ciphertext":"eA=="}
ann sees 3 times ack {id: "a$n", queued: true}
# The budget is the member's: its sessions share it.
ann.s1 tells bob "too much" as c1
ann.s1 sees ack {id: c1, queued: false, messageId: "", error: ~"retry: rate_limit max 600 msg/min (burst 3)"}
metric broker_messages_rejected_total{reason="rate_limit"} 1
bob sees 3 times push
bob tells ann "fine" as b1
bob sees ack {id: b1, queued: true}
# A token comes every 100 ms.
wait 150ms
ann.s1 tells bob "later" as c1
ann.s1 sees ack {id: c1, queued: true}
