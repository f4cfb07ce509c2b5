story: its sender is told of a message's whole way: why it waits, who has it, and how it ended
covers: mesh protocol 1.7; mesh protocol 3.10
limits lease_ms=60000

mesh garden with ann, bob, carl
ann connects
ann tells bob "hello" as c1 with replyToId=other
ann sees ack {messageId: $m}
ann asks /v1/messages/$m -> 200 with content-type="application/json"
  {messageId: $m, meshId: $garden.id, targetSpec: $bob.key, role: sender, senderName: ann, senderMemberId: $ann.member,
  senderPubkey: $ann.key, priority: next, acceptedAt: ~"Z", expiresAt: ~"Z", durability: synced, client_message_id: c1,
  replyToId: other, asOf: ~"Z", states: {queued: 1, leased: 0, ending: 0, delivered: 0, expired: 0, dead: 0},
  recipients: [{name: bob, pubkey: $bob.key, status: disconnected, state: queued, reason: offline, attempts: 0,
  !recipientStatus, !leasedUntil, !pushedAt, !settledAt}]}
bob connects
bob hears "hello"
ann asks /v1/messages/$m -> 200 {states: {queued: 0, leased: 1}, recipients: [{status: held, state: leased,
  reason: lease, attempts: 1, pushedAt: ~"Z", leasedUntil: ~"Z", !ahead}]}
bob acks
metric peermesh_deliveries_settled_total{outcome="delivered"} 1
ann asks /v1/messages/$m -> 200 {states: {leased: 0, delivered: 1}, !expiresAt, recipients: [{name: bob,
  status: delivered, state: delivered, settledAt: ~"Z", !reason, !attempts}]}
# What ended is known after a restart, too.
broker restarts
ann asks /v1/messages/$m -> 200 {states: {delivered: 1}, recipients: [{state: delivered, settledAt: ~"Z"}]}
metric peermesh_member_requests_total{outcome="answered"} 1
