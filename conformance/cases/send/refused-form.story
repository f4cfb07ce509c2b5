story: a send that lacks a field or holds an unknown word is refused for good, and the connection lives
covers: mesh protocol 3.2; defect 21; defect 26; f_jsn_03

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "x" as c1 with !targetSpec
ann sees ack {id: c1, queued: false, messageId: "", error: ~"invalid: schema targetSpec"}
ann tells bob "x" as c2 with targetSpec=""
ann sees ack {id: c2, queued: false, error: ~"invalid: schema targetSpec"}
ann tells bob "x" as c3 with !ciphertext
ann sees ack {id: c3, queued: false, error: ~"invalid: schema ciphertext"}
ann tells bob "x" as c4 with priority=urgent
ann sees ack {id: c4, queued: false, error: ~"invalid: schema priority"}
metric broker_messages_rejected_total{reason="parse_or_handler"} 4

# A field of another type is refused like a missing one, by an ack under the id.
ann tells bob "x" as c5 with targetSpec=7
ann sees ack {id: c5, queued: false, error: ~"invalid: schema"}
ann tells bob "x" as c6 with ciphertext=null
ann sees ack {id: c6, queued: false, error: ~"invalid: schema ciphertext"}

# Unknown fields mean nothing, a missing priority means next, a missing nonce an empty one.
ann tells bob "good" as c7 with !priority !nonce sender=eve senderPubkey=$bob.key bodyVersion=3 mentions=["bob"]
ann sees ack {id: c7, queued: true}
bob hears "good" {priority: next, nonce: "", senderPubkey: $ann.key}
