story: a clock that jumps ahead makes nothing expire, and what comes after the jump is treated like the rest
covers: mesh protocol 5.5; f_tim_01
memory-only: real clocks do not jump
limits message_ttl_ms=3600000 retention_ms=7200000 retention_sweep_ms=1000

mesh garden with ann, bob
ann connects
ann tells bob "before" as c1
ann sees ack {messageId: $m1}
clock jumps +6000000m
ann tells bob "after" as c2
ann sees ack {messageId: $m2}
metric peermesh_clock_jumps_total 1
log "clock jumped" {level: warn}
wait 10m
metric peermesh_deliveries_settled_total{outcome="expired"} 0
bob connects
bob hears "before" {messageId: $m1}
bob acks
bob hears "after" {messageId: $m2}
bob acks
# Keys are remembered as long as before.
ann tells bob "before" as c1
ann sees ack {messageId: $m1}
ann tells bob "waiting" as c3
ann sees ack {messageId: $m3}
bob hears "waiting"
bob sends {"type":"set_status","status":"dnd"}
clock jumps -12000000m
ann tells bob "long ago" as c4
ann sees ack {messageId: $m4, queued: true}
wait 10m
bob sends {"type":"set_status","status":"idle"}
bob hears "waiting"
bob acks
bob hears "long ago"
bob acks
metric peermesh_deliveries_settled_total{outcome="expired"} 0
metric peermesh_deliveries_settled_total{outcome="dead"} 0
