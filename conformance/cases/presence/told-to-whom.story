story: a member's own arrival is told to other members, a session's to its siblings, too
covers: mesh protocol 3.3
limits grace_ms=50

mesh garden with ann, bob
mesh orchard with carl
carl connects
ann.s1 connects
bob connects
ann connects
bob sees event peer_joined {subtype: system, senderPubkey: system, priority: low, nonce: "", ciphertext: "",
  meshId: $garden.id, messageId: _, createdAt: ~"Z", eventData: {name: ann, pubkey: $ann.key}}
ann.s1 sees event peer_joined {eventData: {name: bob}}
ann.s1 sees no event peer_joined
ann.s2 connects
bob sees event peer_joined {eventData: {name: ann-s2, pubkey: $ann.s2.key}}
ann sees event peer_joined {eventData: {name: ann-s2}}
ann.s1 sees event peer_joined {eventData: {name: ann-s2}}
ann.s2 sees no event peer_joined
ann.s2 closes
bob sees event peer_left {eventData: {name: ann-s2, pubkey: $ann.s2.key}}
ann.s1 sees no event peer_left
carl sees no event peer_joined
