story: several shards keep meshes apart and each mesh together, through a restart
covers: mesh protocol 4.2; mesh protocol 5.4; f_iso_01; f_acc_04
shards 3

mesh one with ann, bob
mesh two with carl, dora
mesh three with eve, fay
mesh four with gus, hal
ann connects
bob connects
carl connects
dora connects
eve connects
fay connects
gus connects
hal connects
ann tells * "one" as m
carl tells * "two" as m
eve tells * "three" as m
gus tells * "four" as m
ann sees ack {recipients: 1, messageId: $m1}
carl sees ack {recipients: 1, messageId: $m2}
eve sees ack {recipients: 1}
gus sees ack {recipients: 1}
bob hears "one"
dora hears "two"
fay hears "three"
hal hears "four"
bob acks
bob sees nothing
carl sends {"type":"message_status","messageId":"$m1"}
carl sees error {code: not_found}
broker restarts
bob connects
dora connects
dora hears "two" {messageId: $m2}
dora acks
hal connects
hal hears "four"
fay connects
fay hears "three"
bob sees nothing
ann connects
ann tells * "one" as m
ann sees ack {messageId: $m1}
bob sees nothing
