story: whatever is accepted can have a receipt, and what is refused takes no number
covers: mesh protocol 8.10; f_acc_12; f_acc_10
limits queued_per_mailbox_max=4

mesh garden with ann, bob, carl
ann connects
ann tells * "to all" as c1 with receipt=true
ann sees ack {queued: true, recipients: 2, receipt: {sequence: 1, content: {client_message_id: c1}}}
ann tells @nobody "to none" as c2 with receipt=true
ann sees ack {queued: true, recipients: 0, receipt: {sequence: 2}}
ann tells bob "you both" as c3 with receipt=true mentions=["bob","carl","no such"]
ann sees ack {queued: true, mentioned: 2, unknown_mentions: ["no such"], receipt: {sequence: 3}}
ann tells bob "old" as c4 with receipt=true enqueued_at=0
ann sees ack {queued: false, error: ~"invalid: key_expired", !receipt, !receipt_error}
# What is known is told again, though its key says that it is old.
ann tells bob "you both" as c3 with receipt=true enqueued_at=0
ann sees ack {duplicate: true, !mentioned, receipt: {sequence: 3}}
ann tells bob "three" as c5
ann sees ack {queued: true}
ann tells bob "four" as c6 with receipt=true
ann sees ack {queued: true, receipt: {sequence: 4}}
ann tells bob "full" as c7 with receipt=true
ann sees ack {queued: false, error: ~"retry: queue_full", !receipt}
# A member's keys are its own, and so are their receipts; the chain is the mesh's.
carl connects
carl hears "to all"
carl tells bob "full too" as c1 with receipt=true
carl sees ack {queued: false, error: ~"retry: queue_full", !receipt}
carl tells ann "hello" as c1 with receipt=true
carl sees ack {queued: true, receipt: {sequence: 5, content: {client_message_id: c1, sender_member_id: $carl.member}}}
