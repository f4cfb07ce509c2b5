story: over the cap of all unauthenticated connections the oldest silent one goes, and a real client comes in
covers: mesh protocol 2; f_hsk_01; f_hsk_06; defect 20
limits handshakes_max=4

mesh garden with ann, bob
ann connects
idle#1 dials
idle#2 opens
idle#3 dials
idle#4 dials
bob connects
idle#1 sees end
idle#5 dials
idle#6 dials
idle#2 sees close 1013 overloaded
idle#2 sees end
idle#3 sees nothing
ann sees nothing
ann tells bob "all quiet?"
ann sees ack {queued: true}
bob hears "all quiet?"
