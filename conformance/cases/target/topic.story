story: a topic is refused for good, as long as this broker has none
covers: mesh protocol 3.2; mesh protocol 4.1; defect 14

mesh garden with ann, bob
ann connects
bob connects
ann tells #any "x" as c1
ann sees ack {id: c1, queued: false, messageId: "", error: ~"invalid: not_supported topic"}
bob sees nothing
