story: a hook that says idle lets held mail go, and one that says working holds the next
covers: mesh protocol 1.3; mesh protocol 5.4; f_del_06

mesh garden with ann, bob
ann connects
bob connects
http POST /hook/set-status {"cwd":"/home/bob","pid":1,"status":"working"} -> 200 {ok: true, presence_id: _}
ann tells bob "held" as c1
ann sees ack {queued: true}
bob sees nothing
http POST /hook/set-status {"cwd":"/home/bob","pid":1,"status":"idle"} -> 200 {ok: true}
bob hears "held"
bob acks
http POST /hook/set-status {"cwd":"/home/bob","pid":1,"status":"working"} -> 200 {ok: true}
ann tells bob "held too" as c2
bob sees nothing
