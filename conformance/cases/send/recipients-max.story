story: a send to more recipients than allowed is refused for good
covers: mesh protocol 3.2; f_dos_01
limits recipients_max=2

mesh garden with ann, bob, carl, dora
ann connects
ann tells * "to all" as c1
ann sees ack {id: c1, queued: false, messageId: "", error: "invalid: too many recipients, 3 > 2"}
bob connects
bob sees nothing
