story: a payload over the limit is refused for good, in the clients' own words
covers: mesh protocol 3.2; defect 26
limits payload_bytes_max=200

mesh garden with ann, bob
ann connects
bob connects
# 64 for the target, 32 for the nonce, 104 for the ciphertext: just enough.
ann tells bob "x"*78 as c1
ann sees ack {id: c1, queued: true}
ann tells bob "x"*79 as c2
ann sees ack {id: c2, queued: false, messageId: "", error: "invalid: payload_too_large 204 bytes > MAX_MESSAGE_BYTES=200"}
metric broker_messages_rejected_total{reason="too_large"} 1
bob hears "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
bob sees nothing
