story: while the store is known to be down a send is refused at once, and nothing of it comes afterwards
covers: mesh protocol 3.2; f_sto_07; f_sto_10; f_acc_06
error: db ping failed
limits health_ms=50 ack_deadline_ms=600

mesh garden with ann, bob
ann connects
bob connects
# This one was on its way before anybody knew.
store loses commits
ann tells bob "early" as c0
ann sees nothing
store fails unavailable
metric broker_db_healthy 0
ann tells bob "refused" as c1
ann sees ack {id: c1, queued: false, error: "retry: store_down nothing was stored"}
# Its key is taken: the resend waits for the same commit, as the first did.
ann tells bob "early" as c0
ann sees nothing
http GET /health -> 503 with retry-after=2 {db: down}
http POST /hook/set-status {"cwd":"/w","pid":7,"status":"working"} -> 503 with retry-after=2 {ok: false, error: store_down}
store heals
metric broker_db_healthy 1
ann sees ack {id: c0, queued: true, messageId: $m}
ann sees ack {id: c0, queued: true, messageId: $m}
bob hears "early" {messageId: $m}
bob acks
bob sees nothing
ann tells bob "refused" as c1
ann sees ack {id: c1, queued: true}
bob hears "refused"
