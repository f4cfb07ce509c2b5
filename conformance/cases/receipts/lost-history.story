story: the chain shows where a history was lost
covers: mesh protocol 8.10; mesh protocol 8.9; f_sto_14

mesh garden with ann, bob
ann connects
ann tells bob "kept" as c1 with receipt=true
ann sees ack {messageId: $m1, receipt: {sequence: 1, history_epoch: $before, signature: $sig}}
store is copied
ann connects
ann tells bob "lost" as c2 with receipt=true
ann sees ack {messageId: $m2, receipt: {sequence: 2, history_epoch: $before, previous: $link}}
store is restored
ann greets
ann sees hello_ack {historyEpoch: $after}
ann tells bob "kept" as c1 with receipt=true
ann sees ack {duplicate: true, receipt: {sequence: 1, history_epoch: $before, signature: $sig}}
ann tells bob "lost" as c2 with receipt=true message_id=$m2
ann sees ack {messageId: $m2, duplicate: false, receipt: {sequence: 2, history_epoch: $after, previous: $link,
  content: {message_id: $m2}}}
ann tells bob "new" as c3 with receipt=true message_id=$m1
ann sees ack {messageId: $m3, receipt: {sequence: 3, content: {message_id: $m3}}}
