story: a client that shows a session key in an ordinary hello has that key's mailbox and its own entry
covers: mesh protocol 2.1; mesh protocol 3.6; mesh protocol 4.3; mesh protocol 6.4

mesh garden with ann, bob
bob connects
ann.cli greets legacy
ann.cli sees hello_ack {presenceId: $p, memberDisplayName: ann, services: []}
bob sees event peer_joined {eventData: {name: ann, pubkey: $ann.cli.key}}
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [..., {pubkey: $ann.cli.key, memberPubkey: $ann.key, peerRole: control-plane,
  channel: claude-code}]}
bob tells ann.cli "to the session"
bob sees ack {queued: true}
ann.cli hears "to the session"
ann.cli drops
wait 30ms
ann.cli greets legacy
ann.cli sees hello_ack {presenceId: $p, !restored}
bob sees no event peer_joined
