story: two senders may choose the same id, and the acknowledgement of one message leaves the other alone
covers: mesh protocol 3.4; f_aut_09; f_del_04
limits lease_ms=300

mesh garden with ann, bob, carl
ann connects
bob connects
carl connects
ann tells carl "from ann" as c1
ann sees ack {messageId: $m1}
bob tells carl "from bob" as c1
bob sees ack {messageId: $m2}
carl hears "from ann" {messageId: $m1}
carl hears "from bob" {messageId: $m2}
carl sends {"type":"client_ack","brokerMessageId":"$m1","clientMessageId":"c1"}
wait 320ms
carl hears "from bob" {messageId: $m2}
carl sends {"type":"client_ack","brokerMessageId":"$m2","clientMessageId":"c1"}
carl sees nothing for 350ms
