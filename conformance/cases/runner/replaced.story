story: a newer connection of a runner takes over at once, and the end of the older one changes nothing
covers: runner protocol 2.1; f_net_05

config runner_secrets=the-secret-of-runners

r1 runs as r1
r1#2 runs as r1
r1 sees close 1000 "Replaced by a newer connection"
runners POST /commands {"runnerId": "r1", "command": {"type": "start-build", "id": "c1"}} -> 200
r1#2 sees start-build {id: c1}
r1 drops
wait 20ms
runners POST /commands {"runnerId": "r1", "command": {"type": "start-build", "id": "c2"}} -> 200
r1#2 sees start-build {id: c2}
runners GET /status -> 200 {connections: [{runnerId: r1}]}
metric peermesh_runner_replaced_total 1
