story: a broker that stops says goodbye to runners and keeps what they sent
covers: runner protocol 2.4; f_lif_01

config runner_secrets=the-secret-of-runners

mesh garden with ann
ann connects
target is down
r1 runs as r1
r1 sends {"type": "error", "id": "e1"}
r1 sees event-ack {eventId: e1}
cal posts /commands?wait=ack {"runnerId": "r1", "command": {"type": "start-build", "id": "c1"}}
r1 sees start-build
broker drains
cal gets 504 {commandId: c1}
r1 sees close 1000 "Server shutting down"
ann sees close 1001
broker restarts
target heals
target sees with x-event-id=e1
