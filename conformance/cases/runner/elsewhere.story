story: a runner that another broker serves is sent on, and whoever sends it something is told so
covers: runner protocol 2.5; f_clu_03; f_cmd_01
memory-only: the other stage's store has one broker

config runner_secrets=the-secret-of-runners

rival takes runner r1
r1 runs as r1
r1 sees close 1013 not_owner
runners POST /commands {"runnerId": "r1", "command": {"type": "x"}} -> 503 {error: "Runner not connected", !reason}
runners POST /commands with idempotency-key=k1 {"runnerId": "r1", "command": {"type": "x"}}
  -> 503 {error: "Runner not connected", reason: not_owner}
runners POST /commands?queue=60000 {"runnerId": "r1", "command": {"type": "x"}}
  -> 503 {error: "Runner not connected", reason: not_owner}
http POST /admin/runners/r1/dead/7/requeue with authorization="Bearer $admin" -> 503 {error: not_owner}
metric peermesh_runner_commands_refused_total{reason="not_owner"} 2
# It is ours as soon as the other broker is gone, and no command of before comes along.
rival dies
r1#2 runs as r1
r1#2 sees nothing
runners POST /commands with idempotency-key=k1 {"runnerId": "r1", "command": {"type": "x"}} -> 200 {state: sent}
r1#2 sees x
