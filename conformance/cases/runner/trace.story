story: a trace passes through in both directions, and what is no trace passes nowhere
covers: runner protocol 3.1; runner protocol 4.2; f_inj_04

config runner_secrets=the-secret-of-runners

let up = "d4cda95b652f4a1592b449d5929fda1b-6e0c63257de34c92-1"
let down = "0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"
r1 runs as r1
runners POST /commands with sentry-trace=$up baggage="sentry-release=1,other=2" {"runnerId": "r1", "command": {"type": "start-build"}}
  -> 200
r1 sees start-build {_sentry: {trace: $up, baggage: "sentry-release=1,other=2"}}
runners POST /commands with baggage="sentry-release=1" {"runnerId": "r1", "command": {"type": "start-build"}} -> 200
r1 sees start-build {!_sentry}
runners POST /commands with sentry-trace=t-1 baggage="a=1" {"runnerId": "r1", "command": {"type": "start-build"}} -> 200
r1 sees start-build {!_sentry}
runners POST /commands with sentry-trace=$up baggage="no list; of any form" {"runnerId": "r1", "command": {"type": "start-build"}} -> 200
r1 sees start-build {_sentry: {trace: $up, !baggage}}
r1 sends {"type": "build-stream", "data": "x", "_sentry": {"trace": "$down", "baggage": "sentry-release=1"}}
target sees with sentry-trace=$down baggage="sentry-release=1" {type: build-stream, _sentry: {trace: $down}}
r1 sends {"type": "build-stream", "_sentry": {"trace": "$down\r\nX-Forged: 1", "baggage": "a=1\r\nX-Forged: 1"}}
target sees {type: build-stream, _sentry: {trace: ~"X-Forged"}}
