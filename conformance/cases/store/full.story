story: a store without room refuses sends in words that bring them back, and all else goes on
covers: mesh protocol 3.2; f_sto_01
error: db ping failed
limits health_ms=100

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "before" as c0
bob hears "before" {messageId: $m}
store fails full
ann sees ack {id: c0}
ann tells bob "one" as c1
ann sees ack {id: c1, queued: false, error: ~"retry: store_full"}
ann sends {"type":"message_status","messageId":"$m"}
ann sees message_status_result {delivered: false}
ann sends {"type":"list_peers","_reqId":"r"}
ann sees peers_list {_reqId: r}
store heals
wait 200ms
ann tells bob "one" as c1
ann sees ack {id: c1, queued: true}
bob hears "one"
