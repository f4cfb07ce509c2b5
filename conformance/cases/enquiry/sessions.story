story: mail that a session wrote to its own member waits for another connection, and says so
covers: mesh protocol 1.7; mesh protocol 4.3

mesh garden with ann
ann.s1 connects
ann.s1 tells ann "note to self" as c1
ann.s1 sees ack {messageId: $m}
ann asks /v1/messages/$m -> 200 {role: sender, senderPubkey: $ann.s1.key, recipients: [{state: queued, reason: sender,
  pubkey: $ann.key}]}
ann connects
ann hears "note to self"
ann asks /v1/messages/$m -> 200 {recipients: [{state: leased}]}
