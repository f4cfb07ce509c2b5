story: a request that this broker does not do is answered, never with the word that stops session clients for good
covers: mesh protocol 2.6; mesh protocol 3.14; defect 21

mesh garden with ann
ann.s1 connects
ann.s1 sends {"type":"graph_query","_reqId":"r1"}
ann.s1 sees error {code: not_supported, _reqId: r1, id: r1, message: ~"graph_query"}
ann.s1 sends {"type":"made up","id":"x1"}
ann.s1 sees error {code: not_supported, id: x1, !_reqId}
ann.s1 sends {"type":"made up"}
ann.s1 sees error {code: not_supported, !id, !_reqId}
ann.s1 sends {"type":"set_status","_reqId":"r2"}
ann.s1 sees error {code: bad_request, _reqId: r2, id: r2}
ann.s1 sends {"type":5,"_reqId":"r3"}
ann.s1 sees error {code: bad_request, _reqId: r3}
ann.s1 sends {"type":"list_peers","_reqId":"r4"}
ann.s1 sees peers_list {_reqId: r4}
