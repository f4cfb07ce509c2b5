story: a mailbox that is full refuses more until something of it is taken
covers: mesh protocol 3.2; f_dos_02
limits queued_per_mailbox_max=2

mesh garden with ann, bob, carl
ann connects
ann tells bob "one" as c1
ann sees ack {id: c1, queued: true}
ann tells bob "two" as c2
ann sees ack {id: c2, queued: true}
ann tells bob "three" as c3
ann sees ack {id: c3, queued: false, messageId: "", error: ~"retry: queue_full the recipient's queue holds at most 2"}
# Nobody else is affected.
ann tells carl "one" as d1
ann sees ack {id: d1, queued: true}
metric broker_messages_rejected_total{reason="queue_full"} 1

# What is out but not acknowledged still has its place.
bob connects
bob hears "one"
ann tells bob "three" as c3
ann sees ack {id: c3, queued: false}
bob acks
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
bob hears "two"
ann tells bob "three" as c3
ann sees ack {id: c3, queued: true}
bob hears "three"

# The count survives a restart.
broker restarts
ann connects
ann tells bob "four" as c4
ann sees ack {id: c4, queued: false, error: ~"retry: queue_full"}
