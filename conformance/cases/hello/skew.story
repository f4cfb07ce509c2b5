story: a hello signed too long ago or too far ahead is refused, and told what time it is
covers: mesh protocol 2.3 row 3; mesh protocol 2.2; f_tim_03; f_tim_05

mesh garden with ann
ann greets with timestamp=now-61000
ann sees error {code: timestamp_skew, message: "hello rejected: timestamp_skew", serverTime: _, !id, !_reqId}
ann sees close 1008 timestamp_skew
ann sees end
ann greets with timestamp=now+62000
ann sees error {code: timestamp_skew}
ann sees close 1008 timestamp_skew
# Before the form of the signature and the signature itself.
ann greets with timestamp=now-61000 signature=00
ann sees error {code: timestamp_skew}
ann sees close 1008 timestamp_skew
ann greets with timestamp=9007199254740991
ann sees error {code: timestamp_skew}
ann sees close 1008 timestamp_skew
ann greets with timestamp=-9007199254740991
ann sees error {code: timestamp_skew}
ann sees close 1008 timestamp_skew
metric broker_connections_rejected_total{reason="timestamp_skew"} 5
log "hello sig rejected" {level: warn, reason: timestamp_skew, mesh_id: $garden.id, pubkey: _}

ann connects with timestamp=now-58000
