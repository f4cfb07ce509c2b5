story: too many mentions, too long ones and what is no list refuse the send
covers: mesh protocol 3.2
limits mentions_max=2 mentioned_members_max=1

mesh garden with ann, bob, carl
ann connects
ann tells bob "x" as c1 with mentions=["a","b","c"]
ann sees ack {id: c1, queued: false, error: "invalid: schema mentions has 3 entries, at most 2 are taken"}
ann tells bob "x" as c2 with mentions=["bob","carl"]
ann sees ack {id: c2, queued: false, error: "invalid: schema mentions name 2 members, at most 1 are taken"}
ann tells bob "x" as c3 with mentions="bob"
ann sees ack {id: c3, queued: false, error: ~"invalid: schema"}
ann tells bob "x" as c4 with mentions=[7]
ann sees ack {id: c4, queued: false, error: ~"invalid: schema"}
ann tells bob "x" as c5 with mentions=null
ann sees ack {id: c5, queued: true}
# Topics come later.
ann tells #builds "x" as c6 with mentions=["bob"]
ann sees ack {id: c6, queued: false, error: "invalid: not_supported topic"}
bob asks /v1/mentions -> 200 {mentions: []}
