story: a peer that does not answer pings is dropped, and its mail goes elsewhere
covers: mesh protocol 6.5; mesh protocol 9; f_net_02
limits ping_ms=200 pong_ms=900 lease_ms=60000

mesh garden with ann, bob
ann connects
bob.s1 connects
bob connects
bob ignores pings
ann tells bob "hello" as c1
ann sees ack
bob hears "hello"
bob sees ping
bob sees ping
bob.s1 hears "hello"
bob sees end
log "ws stale terminate" {level: warn, last_pong_ago_ms: _}
# Who answers stays.
ann sees nothing for 1000ms
bob.s1 sees nothing
