story: a broker that does not serve the mesh says so, and when to come back
covers: mesh protocol 1.7
memory-only: another broker shares the store

mesh garden with ann, bob
ann connects
ann tells bob "hello" as c1
ann sees ack {messageId: $m}
rival robs garden
ann asks /v1/messages/$m -> 503 with retry-after=2 {error: not_owner}
ann asks /v1/mentions -> 503 with retry-after=2 {error: not_owner}
metric peermesh_member_requests_total{outcome="unavailable"} 2
