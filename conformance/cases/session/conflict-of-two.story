story: two sessions that keep taking one place from each other are both held down for a while
covers: mesh protocol 6.4; mesh protocol 7.2; f_net_06; defect 10
limits replacements_max=2 replacements_ms=400

mesh garden with ann, bob
bob connects
ann.s1 connects with sessionId=tab
ann.s2 connects with sessionId=tab
ann.s1 sees close 1000 session_replaced
ann.s1#2 connects with sessionId=tab
ann.s2 sees close 1000 session_replaced
ann.s2#2 greets with sessionId=tab
ann.s2#2 sees error {code: session_conflict}
ann.s2#2 sees close 4009 session_conflict
ann.s1#2 sees close 4009 session_conflict
ann.s1#3 greets with sessionId=tab
ann.s1#3 sees error {code: session_conflict}
ann.s1#3 sees close 4009 session_conflict
ann.s2#3 greets with sessionId=tab
ann.s2#3 sees error {code: session_conflict}
ann.s2#3 sees close 4009 session_conflict
wait 450ms
ann.s2#4 connects with sessionId=tab
bob sends {"type":"list_peers","_reqId":"r1"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: ann-s2, sessionId: tab}]}
