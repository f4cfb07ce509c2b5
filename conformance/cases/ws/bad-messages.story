story: whoever goes on sending what is no message is sent away
covers: mesh protocol 3.1; mesh protocol 7.2; defect 21; f_dos_03
limits bad_messages_per_minute_max=5

mesh garden with ann, bob
ann connects
bob connects
ann sends 5 times text "nonsense"
ann sees 5 times error {code: bad_request}
# What it cannot do is no nonsense.
ann sends 10 times {"type":"vector_store","_reqId":"v$n"}
ann sees 10 times error {code: not_supported, _reqId: "v$n", id: "v$n"}
ann sends text "nonsense"
ann sees close 1008 bad_messages
bob sends 6 times {"type":"set_status","status":7,"_reqId":"s$n"}
bob sees error {code: bad_request, _reqId: s1}
