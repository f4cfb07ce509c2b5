story: a hello gets back what the member had, and what is not said again is not forgotten
covers: mesh protocol 2.4; mesh protocol 3.3; defect 30
limits grace_ms=50

mesh garden with ann, bob
bob connects
ann connects with displayName="Ann the cook"
ann sends {"type":"set_summary","summary":"making soup","_reqId":"r1"}
ann sees ack {_reqId: r1}
ann sends {"type":"join_group","name":"cooks","_reqId":"r2"}
ann sees ack {_reqId: r2}
ann sends {"type":"set_profile","title":"chef","_reqId":"r3"}
ann sees ack {_reqId: r3}
ann sends {"type":"set_stats","stats":{"messagesIn":3,"messagesOut":4,"toolCalls":5,"errors":6,"uptime":7}}

# Mail carries the name of the connection it comes from, not the one of the enrolment.
ann tells bob "soup?"
ann sees ack {queued: true}
bob hears "soup?" {senderName: "Ann the cook"}
bob acks
ann drops
bob sees event peer_left {eventData: {name: "Ann the cook"}}

ann#2 greets with displayName="Ann the cook"
ann#2 sees hello_ack {restored: true, lastSummary: "making soup", lastSeenAt: ~"Z", restoredGroups: [{name: cooks}],
  restoredStats: {messagesIn: 3, messagesOut: 4, toolCalls: 5, errors: 6}}
bob sees event peer_returned {eventData: {name: "Ann the cook", summary: "making soup", groups: [{name: cooks}]}}
ann#2 drops
bob sees event peer_left

# It said nothing of summary and counters; both are still there.
ann#3 greets with groups=[{"name":"waiters"}]
ann#3 sees hello_ack {restored: true, lastSummary: "making soup", !restoredGroups,
  restoredStats: {messagesIn: 3, messagesOut: 4, toolCalls: 5, errors: 6}}
bob sends {"type":"list_peers","_reqId":"r4"}
bob sees peers_list {peers: [_, {groups: [{name: waiters}], profile: {title: chef}}]}
ann#3 drops
bob sees event peer_left

# A hello with a session key restores and saves like one without.
ann.s1 connects legacy
ann.s1 sends {"type":"set_summary","summary":"washing up","_reqId":"r5"}
ann.s1 sees ack {_reqId: r5}
ann.s1 drops
bob sees event peer_left
ann#4 greets
ann#4 sees hello_ack {restored: true, lastSummary: "washing up", restoredGroups: [{name: waiters}]}

# A session's own hello restores nothing.
ann.s2 greets
ann.s2 sees hello_ack {!restored, !lastSummary, !restoredStats}
