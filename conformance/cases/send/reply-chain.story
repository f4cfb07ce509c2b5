story: agents that answer each other without end are stopped, both are told, and what answers nothing still goes through
covers: mesh protocol 3.2; f_del_09
limits reply_hops_max=2

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "ping" as a1
ann sees ack {messageId: $first}
bob hears "ping"
bob acks
bob tells ann "pong" as b1 with replyToId=$first
bob sees ack {queued: true, messageId: $pong}
ann hears "pong"
ann acks
ann tells bob "ping again" as a2 with replyToId=$pong
ann sees ack {queued: true, messageId: $again}
bob hears "ping again"
bob acks
bob tells ann "pong again" as b2 with replyToId=$again
bob sees ack {queued: false, messageId: "", error: ~"invalid: reply_chain more than 2 answers"}
log "reply chain cut" {message_id: $first, hops: 2}
# Other branches of it are cut, too.
bob tells ann "pong, then" as b3 with replyToId=$first
bob sees ack {queued: false, error: ~"invalid: reply_chain"}
metric broker_messages_rejected_total{reason="reply_chain"} 2
# What was accepted before is known for what it is, and everything else is nobody's answer.
ann tells bob "ping again" as a2 with replyToId=$pong
ann sees ack {queued: true, messageId: $again, duplicate: true}
bob tells ann "something else" as b4
bob sees ack {queued: true, messageId: $other}
ann hears "something else"
ann acks
ann tells bob "yes" as a3 with replyToId=$other
ann sees ack {queued: true}
bob hears "yes"
bob tells ann "a note of my own" as b5 with replyToId=a-note
bob sees ack {queued: true}
ann hears "a note of my own"
