story: a commit of unknown outcome that landed is delivered though its sender was told to try again, once and under one id
covers: mesh protocol 3.2; f_acc_07; f_acc_04
error: db ping failed
limits commit_tries_max=2 commit_retry_ms_min=20 commit_retry_ms_max=20 health_ms=50

mesh garden with ann, bob
ann connects
bob connects
store forgets replies
ann tells bob "landed" as c1
ann sees ack {id: c1, queued: false, messageId: "", error: ~"retry: store_down"}
bob hears "landed" {messageId: $m, client_message_id: c1}
store heals
ann tells bob "landed" as c1
ann sees ack {id: c1, queued: true, messageId: $m}
bob acks
bob sees nothing
ann tells bob "next" as c2
bob hears "next"
