story: what expired while a peer was away is gone from its mailbox, and the rest of it is there
covers: mesh protocol 5.5; f_del_08; f_sto_16
limits message_ttl_ms=300 retention_sweep_ms=50 queued_per_mailbox_max=2

mesh garden with ann, bob
ann connects
ann tells bob "old" as c1
ann tells bob "old too" as c2
ann sees ack {queued: true}
ann sees ack {queued: true}
metric peermesh_deliveries_settled_total{outcome="expired"} 2
ann tells bob "young" as c3
ann sees ack {queued: true}
bob connects
bob hears "young"
bob acks
bob sees nothing
# And again, when nothing is left at all.
bob closes
ann tells bob "old again" as c4
ann sees ack {queued: true}
metric peermesh_deliveries_settled_total{outcome="expired"} 3
bob connects
bob sees nothing
