story: a sender waits thirty seconds for a commit of unknown outcome, and its message comes whenever that is known
covers: mesh protocol 3.2; f_acc_07
memory-only: half a minute of silence

mesh garden with ann, bob
ann connects
bob connects
store loses commits
ann tells bob "at last" as c1
ann sees nothing for 29s
ann sees ack {id: c1, queued: false, error: ~"retry: store_down"}
ann drops
wait 5m
store heals
bob hears "at last" {client_message_id: c1}
bob acks
bob sees nothing
ann connects
ann tells bob "at last" as c1
ann sees ack {id: c1, queued: true}
