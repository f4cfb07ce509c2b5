story: an acknowledgement settles its own recipient's copy and no other
covers: mesh protocol 3.4; defect 5; f_del_04; f_del_02
limits lease_ms=300

mesh garden with ann, bob, carl
mesh desert with dan
ann connects
bob connects
carl connects
dan connects
ann tells * "all" as c1
ann sees ack {recipients: 2, messageId: $m}
bob hears "all"
carl hears "all"
bob acks
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
# One from another mesh, and one from a third party, change nothing; nor does one that names nothing.
dan acks $m
dan sends {"type":"client_ack","clientMessageId":"c1"}
ann acks $m
carl sends {"type":"client_ack"}
carl sends {"type":"client_ack","brokerMessageId":"00000000000000000000000000000000","clientMessageId":""}
metric peermesh_rejected_total{reason="unknown_ack"} 4
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {delivered: false, recipients: [{name: bob, status: delivered}, {name: carl, status: held}]}
# Carl's copy comes again, Bob's does not.
wait 320ms
carl hears "all" {messageId: $m}
carl acks
bob sees nothing
carl sees nothing
dan sees nothing
