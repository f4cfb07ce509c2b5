story: a commit of unknown outcome that was lost is run until it is known, however long that takes, and is true then
covers: mesh protocol 3.2; f_acc_07
limits ack_deadline_ms=100 commit_retry_ms_min=20 commit_retry_ms_max=20

mesh garden with ann, bob
ann connects
bob connects
store loses commits
ann tells bob "late" as c1
ann sees ack {id: c1, queued: false, messageId: "", error: ~"retry: store_down"}
wait 500ms
bob sees nothing
http GET /health -> 200
store heals
bob hears "late" {messageId: $m}
ann tells bob "late" as c1
ann sees ack {id: c1, queued: true, messageId: $m}
bob acks
ann tells bob "found" as c2
ann sees ack {id: c2, queued: true}
bob hears "found"
bob acks
bob sees nothing
