story: mentions are written with their message, once, whatever comes under its key again
covers: mesh protocol 3.2; mesh protocol 8; f_acc_07

mesh garden with ann, bob, carl
ann connects
store forgets replies
ann tells bob "x" as c1 with mentions=["bob"]
ann tells bob "x" as c1 with mentions=["bob"]
wait 100ms
store heals
ann sees ack {id: c1, queued: true, messageId: $m, duplicate: false, mentioned: 1}
ann sees ack {id: c1, queued: true, messageId: $m, duplicate: true, !mentioned}
# Mentions are not what a request is told by; those of the first stand.
ann tells bob "x" as c1 with mentions=["carl"]
ann sees ack {id: c1, messageId: $m, duplicate: true, !mentioned}
bob asks /v1/mentions -> 200 {mentions: [{messageId: $m}], more: false}
carl asks /v1/mentions -> 200 {mentions: []}
store loses commits
ann tells bob "y" as c2 with mentions=["carl"]
ann sees nothing
broker crashes
store heals
carl asks /v1/mentions -> 200 {mentions: []}
