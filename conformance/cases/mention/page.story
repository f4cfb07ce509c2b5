story: whom a send mentions reads it in the order of acceptance, page by page
covers: mesh protocol 1.7; mesh protocol 3.2; f_dos_04

mesh garden with ann, bob, carl
ann connects
bob asks /v1/mentions -> 200 {mentions: [], next: null, more: false}
ann tells bob "1" as c1 with mentions=["bob"]
ann sees ack {messageId: $m1, mentioned: 1, !unknown_mentions}
ann tells carl "2" as c2 with mentions=["carl"] priority="now"
ann sees ack {messageId: $m2, mentioned: 1}
ann.s1 connects
ann.s1 tells @all "3" as c3 with mentions=["@BOB","carl"]
ann.s1 sees ack {messageId: $m3, mentioned: 2}
bob asks /v1/mentions -> 200 with content-type="application/json" {mentions: [
  {messageId: $m1, createdAt: ~"Z", priority: next, senderName: ann, senderMemberId: $ann.member, senderPubkey: $ann.key,
  targetSpec: $bob.key, !ciphertext},
  {messageId: $m3, senderName: ann-s1, senderPubkey: $ann.s1.key, targetSpec: "@all"}], next: $end, more: false}
bob asks /v1/mentions?limit=1 -> 200 {mentions: [{messageId: $m1}], next: $next, more: true}
bob asks /v1/mentions?limit=1&after=$next -> 200 {mentions: [{messageId: $m3}], next: $end}
bob asks /v1/mentions?after=$end -> 200 {mentions: [], next: $end, more: false}
# The end of a page stays good for what comes later, a restart in between.
broker restarts
ann connects
ann tells bob "4" as c4 with mentions=["bob"]
ann sees ack {messageId: $m4}
bob asks /v1/mentions?after=$end -> 200 {mentions: [{messageId: $m4}], more: false}
# Nobody can go on from another's page, nor from one that was made up.
carl asks /v1/mentions?after=$next -> 400 {error: bad_request, message: ~"after"}
bob asks /v1/mentions?after=$m1 -> 400 {error: bad_request}
bob asks /v1/mentions?after= -> 400 {error: bad_request}
bob asks /v1/mentions?limit=201 -> 400 {error: bad_request, message: ~"from 1 to 200"}
carl asks /v1/mentions?limit=200 -> 200 {mentions: [{messageId: $m2, priority: now}, {messageId: $m3}]}
