story: a message to a member that is away is stored, survives restarts and arrives when it comes
covers: mesh protocol 4.3; mesh protocol 5.4; defect 1; f_del_05; f_acc_04

mesh garden with ann, bob
ann connects
ann tells bob "while you were out" as c1
ann sees ack {id: c1, queued: true, messageId: $m}
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {delivered: false, recipients: [{name: bob, status: disconnected}]}

broker crashes
broker restarts
bob connects
bob hears "while you were out" {messageId: $m, client_message_id: c1, senderName: ann}
bob acks
bob sees nothing

bob drops
bob connects
bob sees nothing for 100ms
