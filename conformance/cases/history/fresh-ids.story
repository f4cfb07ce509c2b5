story: a send that does not say what its id was, or says one it cannot have, gets one that nobody had
covers: mesh protocol 8.9; f_sto_14

mesh garden with ann, bob
ann connects
ann tells bob "kept" as c1
ann sees ack {messageId: $kept}
store is copied
ann connects
ann tells bob "one" as c2
ann sees ack {messageId: $one}
ann tells bob "two" as c3
ann sees ack {messageId: $two}
store is restored
ann connects

# Without its id: another one.
ann tells bob "one" as c2
ann sees ack {messageId: $other, duplicate: false}
ann sends {"type":"message_status","messageId":"$one","_reqId":"q1"}
ann sees error {code: not_found, _reqId: q1}

# The id of a message that is kept is that message's.
ann tells bob "two" as c3 with message_id=$kept
ann sees ack {messageId: $third, duplicate: false}
ann sends {"type":"message_status","messageId":"$kept","_reqId":"q2"}
ann sees message_status_result {messageId: $kept}
ann sends {"type":"message_status","messageId":"$two","_reqId":"q3"}
ann sees error {code: not_found, _reqId: q3}

# So is one that another send has taken.
ann tells bob "four" as c4 with message_id=$two
ann sees ack {messageId: $two, duplicate: false}
ann tells bob "five" as c5 with message_id=$two
ann sees ack {messageId: $fifth, duplicate: false}

# One that this history gave out, no id of this store, and one without a key, are nothing.
ann tells bob "six" as c6 with message_id=$fifth
ann sees ack {messageId: $sixth, duplicate: false}
ann tells bob "seven" as c7 with message_id=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
ann sees ack {messageId: $seventh, duplicate: false}
ann tells bob "eight" with message_id=$one !client_message_id
ann sees ack {messageId: $eighth, duplicate: false}
ann sends {"type":"message_status","messageId":"$one","_reqId":"q4"}
ann sees error {code: not_found, _reqId: q4}
bob connects
bob hears "kept" {messageId: $kept}
bob hears "one" {messageId: $other}
bob hears "two" {messageId: $third}
bob hears "four" {messageId: $two}
bob hears "five" {messageId: $fifth}
bob hears "six" {messageId: $sixth}
bob hears "seven" {messageId: $seventh}
bob hears "eight" {messageId: $eighth}
