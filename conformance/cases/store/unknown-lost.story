story: a commit of unknown outcome that was lost leaves nothing behind, and the mailbox goes on
covers: mesh protocol 3.2; f_acc_07
error: db ping failed
limits commit_tries_max=2 commit_retry_ms_min=20 commit_retry_ms_max=20 health_ms=50

mesh garden with ann, bob
ann connects
bob connects
store loses commits
ann tells bob "lost" as c1
ann sees ack {id: c1, queued: false, messageId: "", error: ~"retry: store_down"}
metric peermesh_commit_retries_total 1
store heals
bob sees nothing
ann tells bob "found" as c2
ann sees ack {id: c2, queued: true}
bob hears "found"
ann tells bob "lost" as c1
ann sees ack {id: c1, queued: true, messageId: $m}
bob hears "lost" {messageId: $m}
bob acks
bob sees nothing
