story: a mention is an id, a key or a name; one that means nobody is told to the sender and refuses nothing
covers: mesh protocol 3.2; defect 47

mesh garden with ann, bob, carl, dora
ann connects
bob.s1 connects
ann tells bob "x" as c1 with mentions=["$carl.member","$dora.key","$bob.s1.key","nobody","@","$eve.key"]
ann sees ack {queued: true, messageId: $m, mentioned: 3, unknown_mentions: [nobody, "@", $eve.key]}
bob asks /v1/mentions -> 200 {mentions: [{messageId: $m, targetSpec: $bob.key}]}
# Whoever is mentioned in mail that is not for them learns that, and not whom it is for.
carl asks /v1/mentions -> 200 {mentions: [{messageId: $m, senderName: ann, !targetSpec}]}
dora asks /v1/mentions -> 200 {mentions: [{messageId: $m}]}
carl asks /v1/messages/$m -> 404
# The sender mentions itself in vain, and each is mentioned once, by whatever names.
ann tells bob "y" as c2 with mentions=["ann","bob","BOB","@bob-s1","$bob.key"]
ann sees ack {mentioned: 1, !unknown_mentions}
ann asks /v1/mentions -> 200 {mentions: []}
bob asks /v1/mentions -> 200 {mentions: [{messageId: $m}, _]}
# None at all is no word in the ack; a removed member is nobody.
ann tells bob "z" as c3
ann sees ack {!mentioned, !unknown_mentions}
ann tells bob "z" as c4 with mentions=[]
ann sees ack {!mentioned}
http DELETE /admin/meshes/garden/members/dora with authorization="Bearer $admin" -> 200
ann tells bob "z" as c5 with mentions=["dora"]
ann sees ack {mentioned: 0, unknown_mentions: [dora]}
