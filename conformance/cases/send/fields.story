story: an ack repeats the sender's id, and says how many mailboxes it reached and how many are there
covers: mesh protocol 3.2; defect 21

mesh garden with ann, bob, carl
ann connects
bob connects
ann tells bob "one" as c1
ann sees ack {id: c1, messageId: $m1, queued: true, recipients: 1, online: 1, !error, !_reqId}
ann tells carl "two" as c2
ann sees ack {id: c2, messageId: $m2, queued: true, recipients: 1, online: 0}
ann tells * "three" as c3
ann sees ack {id: c3, messageId: $m3, queued: true, recipients: 2, online: 1}

# A send without an id is answered with an empty one.
ann tells bob "four" with !id _reqId=r4
ann sees ack {id: "", queued: true, !_reqId}
# One whose id is not its key is answered by its id.
ann tells bob "five" as c5 with id=x5
ann sees ack {id: x5, queued: true, messageId: _}
