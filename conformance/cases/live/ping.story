story: every connection is pinged, a pong is a sign of life, and one that never answers is dropped
covers: live protocol 2.4
memory-only: counts seconds of silence

config live=on
limits live_ping_ms=1000 live_pong_ms=500

ann watches
bob watches
bob ignores pings
wait 1100ms
ann sees ping
bob sees ping
wait 450ms
bob sees end
log "connection closed" {code: 1006, last_seen_at: "2023-11-14T22:13:20.000Z"}
wait 1s
ann sees ping
ann closes
log "connection closed" {code: 1000, last_seen_at: "2023-11-14T22:13:22.000Z"}
