story: a trace passes through in both directions
covers: runner protocol 3.1; runner protocol 4.2

config runner_secrets=the-secret-of-runners

r1 runs as r1
runners POST /commands with sentry-trace=t-1 baggage=b-1 {"runnerId": "r1", "command": {"type": "start-build"}} -> 200
r1 sees start-build {_sentry: {trace: t-1, baggage: b-1}}
runners POST /commands with baggage=b-1 {"runnerId": "r1", "command": {"type": "start-build"}} -> 200
r1 sees start-build {!_sentry}
r1 sends {"type": "build-stream", "data": "x", "_sentry": {"trace": "t-2", "baggage": "b-2"}}
target sees with sentry-trace=t-2 baggage=b-2 {type: build-stream, _sentry: {trace: t-2}}
