story: who waits to be read gives the room back of what was read before, and nobody waits for ever
covers: runner protocol 1.3

config runner_secrets=the-secret-of-runners
limits runner_inflight_bytes_max=1048576 runner_message_bytes_max=1000000

r1 runs as r1
r2 runs as r2
r1 sends frame length=400000 ""
r2 sends frame length=400000 ""
wait 20ms
# The bytes stand for zeros under the mask, and the last of them for the head of a message of 900,000 bytes.
r1 sends bytes "\x5a\x01\xfe\x80"*100000 "\x81\xff\x00\x00\x00\x00\x00\x0d\xbb\xa0\x5a\x01\xfe\x80"
r2 sends bytes "\x5a\x01\xfe\x80"*100000 "\x81\xff\x00\x00\x00\x00\x00\x0d\xbb\xa0\x5a\x01\xfe\x80"
log "runner message not understood" {runner_id: r1, bytes: 400000}
log "runner message not understood" {runner_id: r2, bytes: 400000}
r1 sends bytes "\x5a\x01\xfe\x80"*225000
r2 sends bytes "\x5a\x01\xfe\x80"*225000
log "runner message not understood" {runner_id: r1, bytes: 900000}
log "runner message not understood" {runner_id: r2, bytes: 900000}
