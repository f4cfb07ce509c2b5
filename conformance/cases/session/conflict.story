story: two clients that keep replacing each other are both held down for a while
covers: mesh protocol 7.2; f_net_06
limits replacements_max=2 replacements_ms=1500

mesh garden with ann, bob
ann.s1 connects
ann.s1#2 connects
ann.s1 sees close 1000 session_replaced
ann.s1#3 connects
ann.s1#2 sees close 1000 session_replaced
ann.s1#4 greets
ann.s1#4 sees error {code: session_conflict}
ann.s1#4 sees close 4009 session_conflict
ann.s1#3 sees close 4009 session_conflict
ann.s1#5 greets
ann.s1#5 sees error {code: session_conflict}
ann.s1#5 sees close 4009 session_conflict
metric broker_connections_rejected_total{reason="session_conflict"} 2
# Nobody else is held down.
ann.s2 connects
bob connects
wait 1600ms
ann.s1#6 connects
metric broker_connections_active 3
