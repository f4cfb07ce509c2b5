story: hello_ack says who the peer is in this mesh, and only what belongs to its kind of hello
covers: mesh protocol 2.4

mesh garden with ann
ann greets with displayName="Ann A."
ann sees hello_ack {presenceId: $p, memberDisplayName: "Ann A.", services: [], queued: 0, !restored,
  !lastSummary,
  !lastSeenAt, !restoredGroups, !restoredStats, memberProfile: {roleTag: null, groups: [], messageMode: push}}
ann.s1 greets
ann.s1 sees hello_ack {presenceId: _, memberDisplayName: ann-s1, memberProfile: {messageMode: push},
  !services, !restored}
ann.s2 greets with displayName=""
ann.s2 sees hello_ack {memberDisplayName: ann}
ann.s3 greets with !displayName
ann.s3 sees hello_ack {memberDisplayName: ann}

# A newer connection of the same peer continues its presence.
ann#2 greets with !displayName
ann#2 sees hello_ack {presenceId: $p, memberDisplayName: "Ann A.", memberProfile: {messageMode: push},
  services: [],
  !restored}
ann.s1#2 greets
ann.s1#2 sees hello_ack {memberDisplayName: ann-s1, !memberProfile, !services, !restored}
log "ws hello" {mesh_id: $garden.id, member: "Ann A.", presence_id: $p, session_id: daemon-ann, restored:
  false}
log "ws session_hello" {mesh_id: $garden.id, member: ann-s1, session_pubkey: _, session_id: ann-s1}
log "ws hello reattach (lease)" {presence_id: $p}
log "session_hello reattach" {session_pubkey: _, session_id: ann-s1}
