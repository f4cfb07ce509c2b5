story: the silence of a runner that waits for its turn to be read is not its own
covers: runner protocol 1.3; runner protocol 2.3

config runner_secrets=the-secret-of-runners
limits runner_inflight_bytes_max=1048576 runner_message_bytes_max=1000000 runner_stale_ms=600

r2 runs as r2
wait 300ms
r1 runs as r1
r1 sends frame length=900000 ""
wait 50ms
# The bytes stand for zeros under the mask: no JSON, and counted as that once they are read.
r2 sends frame length=900000 ""
r2 sends bytes "\x5a\x01\xfe\x80"*225000
wait 350ms
no log "runner stale"
r1 sees close 1000 "Heartbeat timeout"
log "runner message not understood" {runner_id: r2, bytes: 900000}
