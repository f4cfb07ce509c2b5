story: a command whose place in a queue was being written when its runner was lost may yet be handed over
covers: runner protocol 2.5; runner protocol 3.2; f_clu_03
memory-only: the other stage's store has one broker

config runner_secrets=the-secret-of-runners

runners POST /commands?queue=60000 {"runnerId": "r1", "command": {"type": "start-build", "id": "c1"}} -> 202
store delays 100ms
cal posts /commands?queue=60000 {"runnerId": "r1", "command": {"type": "start-build", "id": "c2"}}
wait 50ms
rival robs runner r1
cal gets 504 {commandId: c2, state: unknown}
