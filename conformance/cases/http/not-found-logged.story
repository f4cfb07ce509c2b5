story: a request for nothing is told at debug
covers: mesh protocol 9

http GET /nowhere?secret=1 -> 404
log "http" {level: debug, status: 404, route: ~"/nowhere"}
