story: while the store does not answer nobody is told anything, and the same is known afterwards
covers: mesh protocol 1.7; f_sto_01
error: db ping failed
limits health_ms=50

mesh garden with ann, bob
ann connects
ann tells bob "hello" as c1
ann sees ack {messageId: $m}
store fails unavailable
ann asks /v1/messages/$m -> 503 with retry-after=2 {error: store_down}
metric broker_db_healthy 0
ann asks /v1/messages/$m -> 503 with retry-after=2 {error: store_down}
store heals
metric broker_db_healthy 1
ann asks /v1/messages/$m -> 200 {states: {queued: 1}}
store fails full
ann asks /v1/messages/$m -> 503 with retry-after=2 {error: store_full}
