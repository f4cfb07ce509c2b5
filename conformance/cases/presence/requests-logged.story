story: every request of a peer is a line of the log, mail only when the log is asked for everything
covers: mesh protocol 9; f_inj_02
config log_level=info
let long = "x"*100
let clipped = "x"*64

mesh garden with ann
ann greets
ann sees hello_ack {presenceId: $p}
ann sends {"type":"set_status","status":"working"}
ann sends {"type":"join_group","name":"$long"}
ann sends {"type":"set_visible","visible":false}
ann sees ack
ann sends {"type":"made\nup"}
ann sees error {code: not_supported}
ann sends {"type":"list_peers"}
ann sees peers_list
ann tells ann "a note to myself"
ann sees ack
log "ws set_status" {level: info, presence_id: $p, status: working}
log "ws join_group" {presence_id: $p, name: $clipped}
log "ws set_visible" {presence_id: $p, visible: false}
log "ws list_peers" {presence_id: $p}
no log "ws send"
no log "ws push"
http GET /nowhere -> 404
no log "http"
