story: a broker whose store cannot be trusted stops, and says nothing that would depend on it
covers: mesh protocol 3.2; f_sto_02; f_sto_04
error: failed

mesh garden with ann, bob
ann connects
store fails corrupt
ann tells bob "into the void" as c1
ann sees ack {id: c1, queued: false, error: ~"retry: store_down"}
log "failed" {level: error, why: ~"corrupt"}
