story: a connection that only sends is nobody others see, and takes no mail
covers: mesh protocol 2.1; mesh protocol 3.6; defect 8

mesh garden with ann, bob
bob connects
ann greets with capabilities=["send_only"]
ann sees hello_ack {memberDisplayName: ann, !restored}
bob sees no event peer_joined
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}]}
bob tells ann "for later"
bob sees ack {queued: true}
bob tells * "for all"
bob sees ack {queued: true}
ann sees nothing for 60ms
ann tells bob "here you are"
ann sees ack {queued: true}
bob hears "here you are" {senderName: ann, senderMemberPubkey: $ann.key}
ann sends {"type":"list_peers","_reqId":"r"}
ann sees peers_list {_reqId: r, peers: [{displayName: bob}]}
ann closes
bob sees no event peer_left
metric broker_connections_active 1

# The member's own connection gets the mail.
ann#2 connects
ann#2 hears "for later"
ann#2 hears "for all"
