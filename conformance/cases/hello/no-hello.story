story: whatever comes before the hello is refused, and the hello may still follow on the same connection
covers: mesh protocol 2; mesh protocol 3.1; f_aut_08

mesh garden with ann
ann opens
ann sends {"type":"list_peers","_reqId":"r1"}
ann sees error {code: no_hello, message: "must send hello first", _reqId: r1, id: r1}
ann sends {"type":"send","id":"c1","targetSpec":"*","priority":"now","nonce":"","ciphertext":""}
ann sees error {code: no_hello, id: c1, !_reqId}
ann sends {"type":"made up"}
ann sees error {code: no_hello, !id, !_reqId}
ann sends text "no JSON"
ann sees error {code: bad_request}
ann sends {"id":"c2"}
ann sees error {code: bad_request, id: c2}
ann connects
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{displayName: ann}]}
