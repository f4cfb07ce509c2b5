story: a request for nothing is told at debug, without what follows the path
covers: mesh protocol 9; f_aut_02

http GET /nowhere?secret=1 -> 404
log "http" {level: debug, status: 404, route: /nowhere}
