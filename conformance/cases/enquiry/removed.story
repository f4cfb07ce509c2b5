story: a removed member is told so, and nothing else
covers: mesh protocol 1.7; f_aut_07

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "hello" as c1
ann sees ack {messageId: $m}
bob asks /v1/messages/$m -> 200
http DELETE /admin/meshes/garden/members/bob with authorization="Bearer $admin" -> 200
bob asks /v1/messages/$m -> 401 {error: revoked}
bob asks /v1/mentions -> 401 {error: revoked}
