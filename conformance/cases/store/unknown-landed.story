story: a commit of unknown outcome that landed is delivered though its sender was told to try again, once and under one id
covers: mesh protocol 3.2; f_acc_07; f_acc_04
limits ack_deadline_ms=150 commit_retry_ms_min=20 commit_retry_ms_max=20

mesh garden with ann, bob
ann connects
bob connects
store forgets replies
ann tells bob "landed" as c1
ann sees ack {id: c1, queued: false, messageId: "", error: "retry: store_down send the same client_message_id again"}
metric broker_messages_rejected_total{reason="store"} 1
# It is still being written: a resend waits for the same commit, and no longer than the first.
ann tells bob "landed" as c1
ann sees ack {id: c1, queued: false, error: ~"retry: store_down"}
bob sees nothing
ann tells bob "landed" as c1
store heals
ann sees ack {id: c1, queued: true, messageId: $m}
bob hears "landed" {messageId: $m, client_message_id: c1}
ann tells bob "landed" as c1
ann sees ack {id: c1, queued: true, messageId: $m}
bob acks
bob sees nothing
ann tells bob "next" as c2
bob hears "next"
