story: a broker whose watchers say goodbye ends at once
covers: live protocol 2.7

config live=on

ann watches
bob watches
broker restarts
log "live server stopped"
ann sees close 1001 "server shutting down"
bob sees close 1001 "server shutting down"
cat watches
cat sends {"type": "subscribe", "topic": "foo"}
cat sees error {code: not-implemented}
