story: a hello with a field missing or of another type is refused before its signature is looked at
covers: mesh protocol 2.1; mesh protocol 2.3 row 4; mesh protocol 9; f_jsn_03
let long = "x"*300

mesh garden with ann
ann greets with signature=00
ann sees error {code: malformed, message: "hello rejected: malformed", !id, !_reqId}
ann sees close 1008 malformed
ann sees end
ann greets with pubkey=short
ann sees error {code: malformed}
ann sees close 1008 malformed
ann greets with !pubkey
ann sees error {code: malformed}
ann sees close 1008 malformed
ann greets then !signature
ann sees error {code: malformed}
ann sees close 1008 malformed
ann greets with !timestamp
ann sees error {code: malformed}
ann sees close 1008 malformed
ann greets with timestamp=soon
ann sees error {code: malformed}
ann sees close 1008 malformed
ann greets with !meshId
ann sees error {code: malformed}
ann sees close 1008 malformed
ann greets with signer=eve !pid
ann sees error {code: malformed}
ann sees close 1008 malformed
ann greets with !sessionId
ann sees error {code: malformed}
ann sees close 1008 malformed
ann greets with cwd=5
ann sees error {code: malformed}
ann sees close 1008 malformed
ann greets with groups=[7]
ann sees error {code: malformed}
ann sees close 1008 malformed
ann greets with displayName=$long
ann sees error {code: malformed}
ann sees close 1008 malformed
metric broker_connections_rejected_total{reason="malformed"} 12
log "hello sig rejected" {level: warn, reason: malformed}

ann connects with !hostname !channel !peerType !displayName !protocolVersion capabilities=["x"] unheard=[1]
