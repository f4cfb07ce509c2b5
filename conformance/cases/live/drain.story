story: when the broker stops, watchers are told first and the rest is dropped in time
covers: live protocol 2.7
memory-only: looks at the clock

config live=on
limits live_drain_ms=5000

ann watches
bob watches
bob stops reading
broker drains
ann sees close 1001 "server shutting down"
log "live server stopping"
wait 4900ms
no log "live server stopped"
wait 200ms
log "live server stopped"
