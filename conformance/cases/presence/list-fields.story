story: the list of peers shows what each of them said, and members that are away when asked for all
covers: mesh protocol 3.6

mesh garden with ann, bob, carl, dora
ann connects with model=m1
ann.s1 connects with peerType=human !hostname
bob connects
bob sends {"type":"set_stats","stats":{"messagesIn":1,"toolCalls":2.5}}
bob sends {"type":"list_peers","_reqId":"r1"}
bob sees peers_list {_reqId: r1, peers: [
  {pubkey: $ann.key, memberPubkey: $ann.key, displayName: ann, status: idle, summary: null, groups: [],
   sessionId: daemon-ann, connectedAt: ~"Z", cwd: /home/ann, peerRole: control-plane, hostname: ann-host,
  peerType: ai,
   channel: claudemesh-daemon, model: m1, visible: true, !stats, !profile, !online},
  {pubkey: $ann.s1.key, memberPubkey: $ann.key, displayName: ann-s1, sessionId: ann-s1, cwd: /src/ann/s1,
   peerRole: session, peerType: human, channel: claudemesh-session, !hostname, !model},
  {pubkey: $bob.key, displayName: bob, stats: {messagesIn: 1, toolCalls: 2.5, !errors}}]}
dora connects
dora closes
http DELETE /admin/meshes/garden/members/dora with authorization="Bearer $admin" -> 200
ann.s1 closes
wait 30ms
bob sends {"type":"list_peers","all":true}
bob sees peers_list {!_reqId, peers: [{displayName: ann, online: true}, {displayName: ann-s1, online: false,
  status: idle},
  {displayName: bob, online: true}, {displayName: carl, pubkey: $carl.key, memberPubkey: $carl.key, online:
  false, !status,
  !sessionId, !cwd}]}
bob sends {"type":"list_peers","all":"yes","_reqId":"r2"}
bob sees error {code: bad_request, _reqId: r2}
