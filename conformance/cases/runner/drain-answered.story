story: a broker that stops hears of the event that is on its way, and does not send it again
covers: runner protocol 2.4; f_lif_01

config runner_secrets=the-secret-of-runners

target answers 200 after_ms=100
r1 runs as r1
r1 sends {"type": "error", "id": "e1"}
target sees with x-event-id=e1
target heals
r1 sends {"type": "error", "id": "e2"}
r1 sees event-ack {eventId: e1}
r1 sees event-ack {eventId: e2}
broker restarts
target sees {id: e2}
