story: what a peer said of itself while the store was down is saved when it is back
covers: mesh protocol 2.4; f_sto_07; f_sto_10
limits health_ms=50 grace_ms=0 mesh_idle_ms=50
error: db ping failed

mesh garden with ann
ann connects
store fails unavailable
ann sends {"type":"set_summary","summary":"reads a book","_reqId":"s"}
ann sees ack {_reqId: s}
metric broker_db_healthy 0
ann drops
wait 100ms
store heals
metric broker_db_healthy 1
wait 200ms
broker crashes
ann greets
ann sees hello_ack {restored: true, lastSummary: "reads a book"}
