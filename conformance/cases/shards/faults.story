story: several shards share one store and its troubles, and all of them recover
covers: mesh protocol 3.2; f_acc_07; f_sto_10
shards 2
limits health_ms=50 commit_retry_ms_min=20
error: db ping failed

mesh one with ann, bob
mesh two with carl, dora
mesh three with eve, fay
ann connects
bob connects
carl connects
dora connects
eve connects
fay connects
store forgets replies
ann tells bob "one" as c1
carl tells dora "two" as c1
eve tells fay "three" as c1
ann sees nothing
store heals
ann sees ack {queued: true}
carl sees ack {queued: true}
eve sees ack {queued: true}
bob hears "one"
dora hears "two"
fay hears "three"
store fails unavailable
ann tells bob "four" as c2
carl tells dora "five" as c2
eve tells fay "six" as c2
ann sees ack {queued: false, error: ~"retry: store_down"}
carl sees ack {queued: false, error: ~"retry: store_down"}
eve sees ack {queued: false, error: ~"retry: store_down"}
metric broker_db_healthy 0
store heals
wait 200ms
ann tells bob "four" as c2
carl tells dora "five" as c2
eve tells fay "six" as c2
ann sees ack {queued: true}
bob hears "four"
carl sees ack {queued: true}
dora hears "five"
eve sees ack {queued: true}
fay hears "six"
