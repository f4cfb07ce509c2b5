story: a member gets back what it said of itself, and the others hear that it returned
covers: mesh protocol 2.4; mesh protocol 3.3; mesh protocol 6.4
limits grace_ms=50

mesh garden with ann, bob
bob connects
ann greets with groups=[{"name":"red"}]
ann sees hello_ack {!restored}
bob sees event peer_joined
ann sends {"type":"set_summary","summary":"digging"}
ann sends {"type":"set_profile","title":"gardener","capabilities":["dig"]}
ann sees ack {id: ""}
ann sends {"type":"set_visible","visible":false}
ann sees ack {id: ""}
ann sends {"type":"join_group","name":"blue","role":"lead"}
ann sends {"type":"set_stats","stats":{"messagesIn":3,"messagesOut":2,"toolCalls":1,"errors":0,"uptime":9}}
ann closes
bob sees event peer_left
ann greets
ann sees hello_ack {restored: true, lastSummary: digging, lastSeenAt: ~"Z",
  restoredGroups: [{name: red}, {name: blue, role: lead}],
  restoredStats: {messagesIn: 3, messagesOut: 2, toolCalls: 1, errors: 0}}
bob sees event peer_returned {eventData: {name: ann, pubkey: $ann.key, summary: digging, lastSeenAt: ~"Z",
  groups: [{name: red}, {name: blue, role: lead}]}}
bob sees no event peer_joined
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{displayName: bob}, {displayName: ann, visible: false, groups: [{name: red},
  {name: blue}],
  profile: {title: gardener, capabilities: [dig]}}]}

# Counters that were not reported again, and the summary, are as they were: nothing doubles, nothing is lost.
ann closes
broker restarts
ann greets with groups=[{"name":"green"}]
ann sees hello_ack {restored: true, lastSummary: digging, !restoredGroups,
  restoredStats: {messagesIn: 3, messagesOut: 2, toolCalls: 1, errors: 0}}
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{displayName: ann, groups: [{name: green}], visible: false}]}
