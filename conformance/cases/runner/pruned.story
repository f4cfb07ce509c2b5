story: ids that are old go, however many there are
covers: runner protocol 4.1
memory-only: a quarter of an hour

config runner_secrets=the-secret-of-runners
limits runner_retention_ms=60000 runner_sweep_ms=600000

r1 runs as r1
r1 sends 1100 times {"type": "error", "id": "e$n"}
metric peermesh_runner_forwards_total{outcome="taken"} 1100
wait 11m
r1 sends {"type": "error", "id": "e999"}
r1 sends {"type": "error", "id": "e1100"}
metric peermesh_runner_forwards_total{outcome="taken"} 1102
