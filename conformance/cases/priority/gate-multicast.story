story: mail to many passes the same gate as mail to one, each recipient for itself
covers: mesh protocol 5.1; mesh protocol 4.2; defect 5; f_del_04

mesh garden with ann, bob, carl
ann connects
bob connects
carl connects
bob sends {"type":"set_status","status":"dnd"}
bob sends {"type":"list_peers","_reqId":"done"}
bob sees peers_list {_reqId: done}
ann tells * "when it suits" as c1
ann sees ack {recipients: 2, online: 2}
carl hears "when it suits"
carl acks
bob sees nothing
ann tells * "fire" as c2 with priority="now"
bob hears "fire"
carl hears "fire"
bob sends {"type":"set_status","status":"idle"}
bob hears "when it suits"
