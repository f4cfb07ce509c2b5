story: a mention goes with its message
covers: mesh protocol 5.5
limits retention_ms=200 message_ttl_ms=100 retention_sweep_ms=20

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "x" as c1 with mentions=["bob"]
ann sees ack {messageId: $m}
bob hears "x"
bob acks
bob asks /v1/mentions -> 200 {mentions: [{messageId: $m}]}
wait 400ms
bob asks /v1/mentions -> 200 {mentions: []}
ann asks /v1/messages/$m -> 404 {error: not_found}
