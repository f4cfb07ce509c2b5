story: what arrives from all runners together is bounded, and who has to wait is read when others are done
covers: runner protocol 1.3; f_evt_03

config runner_secrets=the-secret-of-runners
limits runner_inflight_bytes_max=1048576 runner_message_bytes_max=1000000

r1 runs as r1
r2 runs as r2
# The bytes stand for zeros under the mask: no JSON, and counted as that once they are read.
r1 sends frame length=900000 ""
log "runner connected" {runner_id: r1}
wait 20ms
r2 sends frame length=900000 ""
r2 sends bytes "\x5a\x01\xfe\x80"*225000
wait 50ms
no log "runner message not understood"
r1 sends bytes "\x5a\x01\xfe\x80"*225000
log "runner message not understood" {runner_id: r1, bytes: 900000}
log "runner message not understood" {runner_id: r2, bytes: 900000}
# One that ends in the middle leaves its room to others.
r1 sends frame length=900000 ""
wait 20ms
r2 sends frame length=900000 ""
r2 sends bytes "\x5a\x01\xfe\x80"*225000
wait 20ms
runners GET /metrics -> 200 {totalErrors: 2}
r1 drops
wait 50ms
runners GET /metrics -> 200 {totalErrors: 3}
