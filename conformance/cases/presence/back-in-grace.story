story: a peer that comes back in time is the same one as before, and nobody is told anything
covers: mesh protocol 2.4; mesh protocol 6.4; f_net_07
limits grace_ms=1000

mesh garden with ann, bob
bob connects
ann greets with groups=[{"name":"red","role":"lead"}] hostname=h1 model=m1
ann sees hello_ack {presenceId: $p}
ann sends {"type":"set_summary","summary":"digging"}
ann sends {"type":"set_status","status":"working"}
ann sends {"type":"set_profile","title":"gardener","_reqId":"r"}
ann sees ack {_reqId: r}
bob sees event peer_joined
ann drops
wait 50ms
ann greets with cwd=/elsewhere hostname=h1 model=m2 groups=[{"name":"blue"}] displayName="Ann again" pid=9
ann sees hello_ack {presenceId: $p, memberDisplayName: "Ann again", memberProfile: _, !restored,
  !restoredGroups}
bob sees no event peer_joined
bob sees no event peer_returned
bob sees no event peer_left for 1100ms
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: "Ann again", cwd: /elsewhere, status: working,
  summary: digging, groups: [{name: red, role: lead}], hostname: h1, model: m1, profile: {title: gardener}}]}
