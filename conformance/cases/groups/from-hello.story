story: the groups of a hello count at once, and a group reaches those in the groups below it
covers: mesh protocol 2.1; mesh protocol 2.2; mesh protocol 4.4; defect 25

mesh garden with ann, bob, carl
bob connects
ann.s1 connects with groups=[{"name":"team/ui","role":"lead"}]
carl connects with groups=[{"name":"teams"}]
bob sees event peer_joined {eventData: {name: ann-s1, groups: [{name: team/ui, role: lead}]}}
bob tells @team "for the team"
bob sees ack {queued: true}
ann.s1 hears "for the team"
bob tells @team/ui "for the ui"
bob sees ack {queued: true}
ann.s1 hears "for the ui"
carl sees nothing
