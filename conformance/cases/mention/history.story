story: a page of mentions that was read under a lost history has no next page, and a restored message keeps its id
covers: mesh protocol 1.7; f_sto_14

mesh garden with ann, bob
ann connects
ann tells bob "kept" as c1 with mentions=["bob"]
ann sees ack {messageId: $m1}
store is copied
ann connects
ann tells bob "lost" as c2 with mentions=["bob"]
ann sees ack {messageId: $m2}
bob asks /v1/mentions -> 200 {mentions: [{messageId: $m1}, {messageId: $m2}], next: $next}
bob asks /v1/mentions?after=$next -> 200 {mentions: []}
store is restored
bob asks /v1/mentions?after=$next -> 410 {error: history_gap}
bob asks /v1/mentions -> 200 {mentions: [{messageId: $m1}]}
bob asks /v1/messages/$m2 -> 404
# Sent again under its key and id, it is the same message to everybody.
ann connects
ann tells bob "lost" as c2 with mentions=["bob"] message_id=$m2
ann sees ack {messageId: $m2}
bob asks /v1/mentions -> 200 {mentions: [{messageId: $m1}, {messageId: $m2}]}
ann asks /v1/messages/$m2 -> 200 {messageId: $m2, role: sender}
