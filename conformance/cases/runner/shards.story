story: runners live in several shards, and callers need not know
covers: runner protocol 2.1; runner protocol 5.2
shards 3

config runner_secrets=the-secret-of-runners

a runs as a
b runs as b
c runs as c
d runs as d
e runs as e
runners POST /commands {"runnerId": "a", "command": {"type": "x"}} -> 200
runners POST /commands {"runnerId": "b", "command": {"type": "x"}} -> 200
runners POST /commands {"runnerId": "c", "command": {"type": "x"}} -> 200
runners POST /commands {"runnerId": "d", "command": {"type": "x"}} -> 200
runners POST /commands {"runnerId": "e", "command": {"type": "x"}} -> 200
a sees x
b sees x
c sees x
d sees x
e sees x
runners GET /status -> 200 {connections: [{runnerId: a}, {runnerId: b}, {runnerId: c}, {runnerId: d}, {runnerId: e}]}
runners GET /metrics -> 200 {totalCommands: 5, activeConnections: 5}
b sends {"type": "error", "id": "e1"}
b sees event-ack {eventId: e1}
target sees with x-runner-id=b
