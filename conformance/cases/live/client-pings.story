story: a ping of a client is a sign of life as a pong is, and a message asks whether the broker lives
covers: live protocol 2.4; live protocol 2.3
memory-only: counts seconds of silence

config live_secret=the-secret-of-live-topics
limits live_ping_ms=1000 live_pong_ms=500

ann watches with Authorization="Bearer $live"
ann sees authorized
ann ignores pings
bob watches with Authorization="Bearer $live"
bob sees authorized
bob ignores pings
wait 1100ms
ann sees ping
ann sends ping "hello"
ann sees pong "hello"
wait 500ms
bob sees ping
bob sees end
# Without that ping ann would be gone as well.
wait 900ms
ann sees ping
ann sends {"type": "ping", "id": "7"}
ann sees {type: pong, id: "7"}
wait 300ms
ann sees end
log "connection closed" {code: 1006, last_seen_at: "2023-11-14T22:13:22.500Z"}
