story: receipts of one commit share a signature, and each of them leads there
covers: mesh protocol 8.10
limits send_rate_per_minute=0

mesh garden with ann, bob
ann connects
store delays 800ms
ann tells bob "ahead" as c0
ann tells bob "one" as c1 with receipt=true
ann tells bob "two" as c2 with receipt=true
ann tells bob "plain" as c3
ann tells bob "three" as c4 with receipt=true
ann sees ack {id: c0, !receipt}
ann sees ack {id: c1, receipt: {sequence: 1, path: [$two, $three], previous: $start, signature: $sig}}
ann sees ack {id: c2, receipt: {sequence: 2, path: [$three], previous: $link, signature: $sig}}
ann sees ack {id: c3, !receipt}
ann sees ack {id: c4, receipt: {sequence: 3, path: [], signature: $sig}}
store heals
ann tells bob "one" as c1 with receipt=true
ann sees ack {duplicate: true, receipt: {sequence: 1, path: [$two, $three], previous: $start, signature: $sig}}
