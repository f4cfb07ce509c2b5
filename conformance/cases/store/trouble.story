story: a send is acknowledged only when it is stored, however the store fails
covers: mesh protocol 3.2; f_acc_06; f_acc_07; f_sto_01; f_sto_12
limits health_ms=100
error: db ping failed
shards 2

mesh garden with ann, bob
ann connects
bob connects
store delays 100ms
ann tells bob "slowly" as c1
ann sees nothing
ann sees ack {id: c1, queued: true}
store heals
bob hears "slowly"
bob acks
bob sees nothing

store fails full
ann tells bob "no room" as c2
ann sees ack {id: c2, queued: false, error: ~"retry: store_full"}
bob sees nothing
store heals
wait 200ms
ann tells bob "no room" as c2
ann sees ack {id: c2, queued: true, messageId: $m}
bob hears "no room" {messageId: $m}
bob acks
bob sees nothing

# The commit happened, the reply was lost: the same write again, the same id, one message.
store forgets replies
ann tells bob "lost reply" as c3
ann sees nothing
store heals
ann sees ack {id: c3, queued: true, messageId: $m3}
bob hears "lost reply" {messageId: $m3}
bob acks
bob sees nothing for 100ms
