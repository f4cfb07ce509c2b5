story: who gets a message is settled when it is accepted, whatever happens to the group after
covers: mesh protocol 4.2; f_acc_14

mesh garden with ann, bob, carl
ann connects
bob connects with groups=[{"name":"team"}]
carl connects
bob sends {"type":"set_status","status":"working"}
bob sends {"type":"list_peers","_reqId":"done"}
bob sees peers_list {_reqId: done}
ann tells @team "for the team" as c1
ann sees ack {id: c1, recipients: 1, messageId: $m}
bob sends {"type":"leave_group","name":"team"}
carl sends {"type":"join_group","name":"team"}
carl sends {"type":"list_peers","_reqId":"done"}
carl sees peers_list {_reqId: done}
bob sees nothing
bob sends {"type":"set_status","status":"idle"}
bob hears "for the team" {messageId: $m}
