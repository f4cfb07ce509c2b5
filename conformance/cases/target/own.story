story: what a member's session sends to its own member waits for another connection, and a session cannot write to itself
covers: mesh protocol 4.3; mesh protocol 3.3; appendix A 8

mesh garden with ann
ann.s1 connects
ann.s1 tells ann.s1 "echo" as c1
ann.s1 sees ack {id: c1, queued: false, error: ~"invalid: target_not_found the target is this very session"}
ann.s1 tells ann "note to self" as c2
ann.s1 sees ack {id: c2, queued: true, messageId: $m, recipients: 1}
ann.s1 sees nothing

# A sibling takes it. Its own member's key would make clients drop it, so it is left out.
ann.s2 connects
ann.s2 hears "note to self" {messageId: $m, senderPubkey: $ann.s1.key, !senderMemberPubkey, senderMemberId: $ann.member}
ann.s2 acks
ann.s1 sees nothing

# The member's own connection may write to its own key, and a session to a sibling.
ann connects
ann.s1 tells ann "again" as c3
ann.s1 sees ack {id: c3, queued: true}
ann hears "again" {!senderMemberPubkey}
ann acks
ann tells ann.s1 "downstairs" as c4
ann sees ack {id: c4, queued: true}
ann.s1 hears "downstairs" {senderPubkey: $ann.key, !senderMemberPubkey}
