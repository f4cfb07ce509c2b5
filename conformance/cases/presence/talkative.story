story: a peer that says too much of itself cuts nobody off who asks for the list
covers: mesh protocol 3.6; f_net_03
limits message_bytes_max=16384 outbox_bytes_max=65536 text_bytes_max=7000

mesh garden with ann, bob
let much = "x"*7000
bob.s1 connects
bob.s2 connects
bob.s3 connects
ann connects
ann sends {"type":"set_summary","summary":"making soup","_reqId":"r1"}
ann sees ack {_reqId: r1}
bob.s1 sends {"type":"set_profile","bio":"$much","title":"$much","_reqId":"r1"}
bob.s1 sees ack {_reqId: r1}
bob.s2 sends {"type":"set_profile","bio":"$much","title":"$much","_reqId":"r1"}
bob.s2 sees ack {_reqId: r1}
bob.s3 sends {"type":"set_profile","bio":"$much","title":"$much","_reqId":"r1"}
bob.s3 sees ack {_reqId: r1}
ann sends {"type":"list_peers","_reqId":"r2"}
ann sees peers_list {peers: [{displayName: bob-s1, clipped: true, !profile}, {clipped: true}, {clipped: true},
  {displayName: ann, summary: "making soup", !clipped}]}
