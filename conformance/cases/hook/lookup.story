story: a hook means the one presence with its pid and directory, or the only one with its directory
covers: mesh protocol 1.3; defect 15; f_aut_10

mesh garden with ann, bob
mesh orchard with carl
ann greets with pid=1 cwd=/shared
ann sees hello_ack {presenceId: $a}
bob greets with pid=2 cwd=/shared
bob sees hello_ack {presenceId: $b}
carl greets with pid=3 cwd=/alone
carl sees hello_ack {presenceId: $c}
http POST /hook/set-status {"cwd":"/shared","pid":2,"status":"working"} -> 200 {ok: true, presence_id: $b}
http POST /hook/set-status {"cwd":"/alone","pid":99,"status":"working"} -> 200 {ok: true, presence_id: $c}
http POST /hook/set-status {"cwd":"/alone","status":"idle"} -> 200 {ok: true, presence_id: $c}
http POST /hook/set-status {"cwd":"/alone","pid":0,"status":"working"} -> 200 {ok: true, presence_id: $c}
# Not certain: nobody's status changes.
http POST /hook/set-status {"cwd":"/shared","pid":99,"status":"dnd"} -> 200 {ok: true, pending: true,
  !presence_id}
http POST /hook/set-status {"cwd":"/shared","status":"dnd"} -> 200 {ok: true, pending: true, !presence_id}
http POST /hook/set-status {"cwd":"/nowhere","pid":1,"status":"dnd"} -> 200 {ok: true, pending: true,
  !presence_id}
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{status: idle}, {status: working}]}
carl sends {"type":"list_peers"}
carl sees peers_list {peers: [{status: working}]}
log "hook" {pending: true, presence_id: null, cwd: /nowhere}
