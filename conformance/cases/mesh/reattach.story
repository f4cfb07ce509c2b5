story: whoever comes back within the grace finds its seat as it was, without a word to the others
covers: mesh protocol 2.4; mesh protocol 6.4; defect 18; defect 51

mesh garden with ann, bob
bob connects
ann connects
ann sees nothing
bob sees event peer_joined {eventData: {name: ann}}
ann sends {"type":"join_group","name":"cooks","_reqId":"r1"}
ann sees ack {_reqId: r1}
ann drops
bob sends {"type":"list_peers","_reqId":"r2"}
bob sees peers_list {peers: [..., {displayName: ann, groups: [{name: cooks}]}]}

# The member's own connection hears its profile again; what it had is kept, not restored.
ann#2 greets
ann#2 sees hello_ack {memberProfile: {roleTag: null, groups: [], messageMode: push}, services: [], !restored}
bob sends {"type":"list_peers","_reqId":"r3"}
bob sees peers_list {peers: [..., {displayName: ann, groups: [{name: cooks}]}]}
bob sees no event peer_joined

# A session hears it only when it is new.
ann.s1 greets
ann.s1 sees hello_ack {memberProfile: _, !services, !restored}
ann.s1 drops
ann.s1#2 greets
ann.s1#2 sees hello_ack {!memberProfile, !services, !restored}
bob sees no event peer_left
