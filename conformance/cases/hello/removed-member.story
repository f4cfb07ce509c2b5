story: a member that was removed loses its connections at once and is told so when it comes again
covers: mesh protocol 2.3 row 6a; mesh protocol 2.3 row 7; mesh protocol 7.2; mesh protocol 9; f_aut_07

mesh garden with ann, bob
ann connects
ann.s1 connects
ann#2 connects with capabilities=["send_only"]
bob connects
http DELETE /admin/meshes/garden/members/$ann.member with authorization="Bearer $admin" -> 200 {removed:
  $ann.member, name: ann}
ann sees close 4002 banned
ann.s1 sees close 4002 banned
ann#2 sees close 4002 banned
ann greets
ann sees error {code: revoked, message:
  "You've been removed from \"garden\". Contact the mesh owner to rejoin.", !id}
ann sees close 4002 banned
ann.s1 greets
ann.s1 sees error {code: revoked, message:
  "You've been removed from \"garden\". Contact the mesh owner to rejoin."}
ann.s1 sees close 4002 banned
ann greets with signer=eve
ann sees error {code: bad_signature}
ann sees close 1008 bad_signature
metric broker_connections_rejected_total{reason="revoked"} 2
metric broker_connections_active 1
log "hello rejected: revoked" {level: info, mesh_id: $garden.id, display_name: ann}
log "session_hello rejected: revoked parent" {level: info, mesh_id: $garden.id, display_name: ann-s1}
log "member removed" {member: ann}
log "ws evict full" {presence_id: _}

# No lease, no farewell, and nobody there.
bob sees no event peer_left
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}]}
broker restarts
ann greets
ann sees error {code: revoked}
ann sees close 4002 banned
