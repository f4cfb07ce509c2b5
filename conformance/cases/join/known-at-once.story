story: a new member is known at once: it may say hello, and others may write to it
covers: mesh protocol 1.5; mesh protocol 2.4; mesh protocol 4.3

mesh garden with ann
ann connects
bob joins garden
ann tells bob "welcome"
ann sees ack {queued: true}
bob greets
bob sees hello_ack {memberDisplayName: bob, !restored, memberProfile: {roleTag: null, groups: [], messageMode:
  push}}
bob hears "welcome"
