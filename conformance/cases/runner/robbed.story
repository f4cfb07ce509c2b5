story: a broker that lost a runner acknowledges nothing of it any more and sends it on
covers: runner protocol 2.5; f_clu_03; f_evt_01
memory-only: the other stage's store has one broker

config runner_secrets=the-secret-of-runners

target is down
r1 runs as r1
r2 runs as r2
r1 sends {"type": "error", "id": "e1"}
r1 sees event-ack {eventId: e1}
cal posts /commands?wait=ack {"runnerId": "r1", "command": {"type": "start-build", "id": "c1"}}
r1 sees start-build
rival robs runner r1
r1 sends {"type": "error", "id": "e2"}
r1 sees close 1013 not_owner
cal gets 504 {commandId: c1, state: sent}
log "runner lost" {runner_id: r1}
r2 sends {"type": "error", "id": "e3"}
r2 sees event-ack {eventId: e3}
