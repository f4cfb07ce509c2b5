story: a peer that asks more than the store can answer is read more slowly, and nobody takes the store for failed
covers: mesh protocol 3.10; f_dos_04
limits reads_in_flight_max=1 reads_waiting_max=16 unacked_sends_max=8

mesh garden with ann
ann connects
store delays 20ms
ann sends 60 times {"type":"message_status","messageId":"000000000000000000000000","_reqId":"q$n"}
ann sees 60 times error {code: not_found}
http GET /health -> 200 {status: ok}
no log "db ping failed"
