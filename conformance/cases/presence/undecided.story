story: a peer that hides and shows itself without end cuts nobody off, and its last word is told
covers: mesh protocol 3.5; mesh protocol 3.3; f_net_03; f_dos_01

mesh garden with ann, bob
bob connects
ann connects
ann.s1 connects
# All of it at once.
ann sends bytes "\x81\xa7\0\0\0\0{\"type\":\"set_visible\",
  \"visible\":false}\x81\xa5\0\0\0\0{\"type\":\"set_visible\",\"visible\":true}"*770
ann sees 1540 times ack {queued: false}
bob sees event peer_hidden {eventData: {name: ann}}
ann.s1 sees event peer_hidden
bob sees event peer_visible
ann.s1 sees event peer_visible
bob sees no event peer_hidden
# Whoever read a list meanwhile hears that it was so for a moment only.
ann sends {"type":"set_visible","visible":false}
ann sees ack {queued: false}
bob sends {"type":"list_peers"}
bob sees peers_list
ann sends {"type":"set_visible","visible":true}
ann sees ack {queued: false}
bob sees event peer_visible
bob sees no event peer_hidden for 1200ms
# What others are told comes later, what holds does not.
ann sends {"type":"set_visible","visible":false}
ann sees ack {queued: false}
bob sees event peer_hidden
ann sends {"type":"set_visible","visible":true}
ann sees ack {queued: false}
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: ann, visible: true}, {displayName: ann-s1}]}
bob sees event peer_visible
