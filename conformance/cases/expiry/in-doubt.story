story: what had expired before a broker came to doubt its meshes does not expire again when the doubt is over
covers: mesh protocol 5.5; f_del_08; f_tim_04
limits message_ttl_ms=600 retention_sweep_ms=1000 health_ms=200 queued_per_mailbox_max=2
memory-only: the other stage's store has one broker

mesh garden with ann, bob
store says lease_ms=60000
wait 500ms
ann connects
bob connects
bob sends {"type":"set_status","status":"dnd"}
ann tells bob "too long" as c1
ann sees ack {queued: true}
# That it expired is written, and nobody is told so.
store loses commits
wait 2s
# While removal pauses after the jump, nothing is asked; then the store still shows what has expired.
clock jumps +6s
wait 32s
store heals
metric peermesh_deliveries_settled_total{outcome="expired"} 1
wait 2s
metric peermesh_deliveries_settled_total{outcome="expired"} 1
ann tells bob "one" as c2
ann sees ack {queued: true}
ann tells bob "two" as c3
ann sees ack {queued: true}
ann tells bob "three" as c4
ann sees ack {error: ~"retry: queue_full"}
