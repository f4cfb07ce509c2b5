story: a target that hangs does not keep a broker from ending, and the event goes again with the next one
covers: runner protocol 2.4; f_lif_01; f_evt_01
memory-only: the other stage's store has one broker

config runner_secrets=the-secret-of-runners

target hangs 10m
r1 runs as r1
r1 sends {"type": "error", "id": "e1"}
r1 sees event-ack {eventId: e1}
target sees with x-event-id=e1
broker drains
r1 sees close 1000 "Server shutting down"
r1 sees end
wait 1s
# What was ours is given up, though nobody has heard of the target.
rival takes runner r1
