story: a message in pieces is one message, with pings between them, and not in too many pieces nor for too long
covers: mesh protocol 7.2; f_frm_02
limits fragments_max=4 fragments_ms=200

mesh garden with ann, bob, carl
ann connects
bob connects
carl connects
ann sends frame fin=0 "{\"type\":\"list"
ann sends ping "between"
ann sees pong "between"
ann sends frame op=0 fin=0 ""
ann sends frame op=0 fin=0 "_peers\",\"_reqId\""
ann sends frame op=0 ":\"f\"}"
ann sees peers_list {_reqId: f}
bob sends frame fin=0 "{"
bob sends frame op=0 fin=0 ""
bob sends frame op=0 fin=0 ""
bob sends frame op=0 fin=0 ""
bob sends frame op=0 fin=0 ""
bob sees close 1009
carl sends frame fin=0 "{"
carl sees nothing for 100ms
carl sends frame op=0 fin=0 "\"type\""
carl sees close 1008 fragment_timeout
ann sees nothing
