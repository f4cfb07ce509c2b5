story: two sessions that keep taking the same place from each other are both held down for a while
covers: mesh protocol 6.4; mesh protocol 7.2; f_net_06
limits replacements_max=2 replacements_ms=1500

mesh garden with ann, bob
bob connects
ann.a connects with sessionId=tab
ann.b connects with sessionId=tab
ann.a sees close 1000 session_replaced
ann.a connects with sessionId=tab
ann.b sees close 1000 session_replaced
ann.b greets with sessionId=tab
ann.b sees error {code: session_conflict}
ann.b sees close 4009 session_conflict
ann.a sees close 4009 session_conflict
ann.c greets with sessionId=tab
ann.c sees error {code: session_conflict}
ann.c sees close 4009 session_conflict
metric broker_connections_active 1
wait 1600ms
ann.b connects with sessionId=tab
metric broker_connections_active 2
