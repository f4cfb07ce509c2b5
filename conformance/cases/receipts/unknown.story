story: a commit of unknown outcome gives one receipt, and leaves no gap in the chain
covers: mesh protocol 8.10; f_acc_07; f_acc_03
limits ack_deadline_ms=200 commit_retry_ms_min=20 commit_retry_ms_max=50

mesh garden with ann, bob
ann connects
ann tells bob "one" as c1 with receipt=true
ann sees ack {receipt: {sequence: 1}}
store forgets replies
ann tells bob "two" as c2 with receipt=true
ann sees ack {queued: false, error: ~"retry: store_down"}
store heals
ann tells bob "two" as c2 with receipt=true
ann sees ack {queued: true, receipt: {sequence: 2, signature: $two}}
store loses commits
ann tells bob "three" as c3 with receipt=true
ann sees ack {queued: false, error: ~"retry: store_down"}
broker crashes
store heals
ann connects
ann tells bob "two" as c2 with receipt=true
ann sees ack {duplicate: true, receipt: {sequence: 2, signature: $two}}
ann tells bob "four" as c4 with receipt=true
ann sees ack {receipt: {sequence: 3}}
ann tells bob "three" as c3 with receipt=true
ann sees ack {duplicate: false, receipt: {sequence: 4}}
