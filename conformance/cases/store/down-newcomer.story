story: while the store is down a newcomer is asked to come later, and nobody is thrown out
covers: mesh protocol 7.2; f_clu_01; f_sto_10
limits health_ms=50
error: db ping failed

mesh garden with ann, bob
ann connects
store fails unavailable
bob greets
bob sees error {code: overloaded}
bob sees close 1013 overloaded
ann sees nothing
metric broker_db_healthy 0
store heals
metric broker_db_healthy 1
bob connects
ann tells bob "welcome" as c1
ann sees ack {queued: true}
bob hears "welcome"
