story: "*" goes to every session of the others that is there or in grace, and to the member's mailbox of those who have none
covers: mesh protocol 4.1; mesh protocol 4.2; defect 5; f_acc_14; f_del_04

mesh garden with ann, bob, carl, dora
ann connects
ann.s1 connects
bob connects
bob.s1 connects
carl.s1 connects
carl.s1 drops
metric broker_connections_active 4
ann tells * "hello all" as c1
# bob, bob.s1, carl.s1 in grace, dora.
ann sees ack {id: c1, queued: true, messageId: $m, recipients: 4, online: 2}
bob hears "hello all" {messageId: $m, client_message_id: c1}
bob.s1 hears "hello all" {messageId: $m, client_message_id: c1}
bob.s1 acks
ann.s1 sees nothing
ann sees nothing

# Carl's member mailbox got none: his session did, and it is back within its grace.
carl connects
carl sees nothing
carl.s1 connects
carl.s1 hears "hello all" {messageId: $m, client_message_id: c1}
carl.s1 acks
# Dora comes later, by whatever connection.
dora.s1 connects
dora.s1 hears "hello all" {messageId: $m}
dora.s1 acks
metric peermesh_deliveries_settled_total{outcome="delivered"} 3
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {targetSpec: "*", delivered: false,
  recipients: [{name: bob, status: held}, {name: dora, status: delivered}, {status: delivered}, {status: delivered}]}
# "@all" is the same.
ann tells @all "hello again" as c2
ann sees ack {id: c2, queued: true, recipients: 5}
