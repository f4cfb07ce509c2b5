story: a message is found by eight characters of its id or more, and by nothing else
covers: mesh protocol 3.10; defect 48; f_iso_01; f_aut_06

mesh garden with ann, bob
mesh desert with dan
ann connects
dan connects
ann tells bob "hello" as c1
ann sees ack {messageId: $m}
ann sends {"type":"message_status","messageId":"short12","_reqId":"q"}
ann sees error {code: invalid_argument, message: "messageId must be 8-32 base62 chars (got 7)", _reqId: q}
ann sends {"type":"message_status","messageId":"$m$m","_reqId":"q"}
ann sees error {code: invalid_argument, message: "messageId must be 8-32 base62 chars (got 64)"}
ann sends {"type":"message_status","messageId":"with-dashes","_reqId":"q"}
ann sees error {code: invalid_argument}
ann sends {"type":"message_status","messageId":"00000000000000000000000000000000","_reqId":"q"}
ann sees error {code: not_found, message: $none, _reqId: q}
ann sends {"type":"message_status","messageId":"00000000","_reqId":"q"}
ann sees error {code: not_found, message: $none}
ann sends {"type":"message_status","_reqId":"q"}
ann sees error {code: bad_request, _reqId: q}
# Another mesh's message is no message.
dan sends {"type":"message_status","messageId":"$m","_reqId":"q"}
dan sees error {code: not_found, message: $none, _reqId: q}
ann sends {"type":"message_status","messageId":"$m","_reqId":"q"}
ann sees message_status_result {messageId: $m}
