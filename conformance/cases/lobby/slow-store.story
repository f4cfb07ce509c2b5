story: a hello that came in time is not blamed for a store that takes its time
covers: mesh protocol 2; f_hsk_01; f_sto_12
limits hello_timeout_ms=500

mesh garden with ann, bob
bob connects
store delays 1000ms
ann greets
ann sees close 1013 overloaded
store heals
wait 1100ms
ann connects
bob sees nothing
metric broker_connections_rejected_total{reason="store_down"} 1
metric broker_connections_rejected_total{reason="hello_timeout"} 0
