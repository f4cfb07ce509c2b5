story: a group reaches its members and those of the groups below it, and those who are away by where they were last
covers: mesh protocol 4.1; mesh protocol 4.4; defect 5; defect 12; defect 25; f_inj_01

mesh garden with ann, bob, carl, dora
ann connects
bob connects with groups=[{"name":"team/ui","role":"lead"}]
carl connects with groups=[{"name":"team"}]
dora connects with groups=[{"name":"teams"}]
ann tells @team "all of us" as c1
ann sees ack {id: c1, recipients: 2, online: 2}
bob hears "all of us"
bob acks
carl hears "all of us"
carl acks
ann tells @team/ui "you there" as c2
ann sees ack {id: c2, recipients: 1}
bob hears "you there"
bob acks
dora sees nothing
carl sees nothing

# Names are plain text, whatever is in them.
dora sends {"type":"join_group","name":"x' OR 1=1 --"}
dora sends {"type":"list_peers","_reqId":"done"}
dora sees peers_list {_reqId: done}
ann tells "x" "y" as c3 with targetSpec="@x' OR 1=1 --"
ann sees ack {id: c3, recipients: 1}
dora hears "y"
dora acks

# Nobody is in it: accepted, and it went to nobody.
ann tells @nobody "hello?" as c4
ann sees ack {id: c4, queued: true, recipients: 0, online: 0}

# Away for good: where the member was last.
bob closes
carl sends {"type":"leave_group","name":"team"}
carl sends {"type":"list_peers","_reqId":"done"}
carl sees peers_list {_reqId: done}
broker restarts
ann connects
ann tells @team "still" as c5
ann sees ack {id: c5, queued: true, recipients: 1, online: 0}
bob connects
bob hears "still"
