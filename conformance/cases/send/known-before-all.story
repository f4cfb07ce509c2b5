story: a retry of an accepted message succeeds whatever would refuse it by now
covers: mesh protocol 8.5; f_acc_10; f_acc_04
limits queued_per_mailbox_max=1 payload_bytes_max=400

mesh garden with ann, bob, carl
ann connects
ann tells bob "waits" as c1
ann sees ack {id: c1, queued: true, messageId: $m1}
# The queue is full.
ann tells bob "waits" as c1
ann sees ack {id: c1, queued: true, messageId: $m1, duplicate: true}
ann tells bob "too many" as c2
ann sees ack {id: c2, queued: false, error: ~"retry: queue_full"}
# The recipient is gone.
ann tells carl "for you" as c3
ann sees ack {id: c3, queued: true, messageId: $m3}
http DELETE /admin/meshes/garden/members/carl with authorization="Bearer $admin" -> 200
ann tells carl "for you" as c3
ann sees ack {id: c3, queued: true, messageId: $m3, duplicate: true}
ann tells carl "and this" as c4
ann sees ack {id: c4, queued: false, error: ~"invalid: target_not_found"}
# Under a known key nothing but the same request is a retry: not one that is too large, either.
ann tells bob "x"*300 as c1
ann sees ack {id: c1, queued: false, error: ~"invalid: idempotency_key_reused"}
ann tells bob "x"*300 as c5
ann sees ack {id: c5, queued: false, error: ~"invalid: payload_too_large"}
# A key that says that it is old is known all the same.
ann tells bob "waits" as c1 with enqueued_at=0
ann sees ack {id: c1, queued: true, messageId: $m1, duplicate: true}
# The broker stops.
store delays 200ms
ann tells bob "waits" as c1
ann sees nothing
broker drains
ann tells bob "waits" as c1 with id=again
ann sees ack {id: c1, queued: true, messageId: $m1, duplicate: true}
ann sees ack {id: again, queued: true, messageId: $m1, duplicate: true}
