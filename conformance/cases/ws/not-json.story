story: a message that is no JSON object, or could be read in two ways, is answered with what is wrong, and the connection lives
covers: mesh protocol 3.1; defect 21; f_jsn_01; f_jsn_02; f_jsn_03; f_frm_06

mesh garden with ann, bob
ann connects
bob connects
ann sends text ""
ann sees error {code: bad_request, !id, !_reqId}
ann sends text "[]"
ann sees error {code: bad_request}
ann sends text "{\"type\":\"send\""
ann sees error {code: bad_request}
ann sends text "{\"type\":\"send\"} {}"
ann sees error {code: bad_request}
ann sends text "{\"id\":\"x1\",\"type\":\"send\",\"type\":\"send\"}"
ann sees error {code: bad_request, message: ~"repeated key"}
ann sends text "{\"id\":\"x2\",\"\\u0074ype\":\"send\",\"type\":\"send\"}"
ann sees error {code: bad_request, message: ~"repeated key"}
ann sends text "{\"type\":\"send\",\"a\":" "["*20 "]"*20 "}"
ann sees error {code: bad_request, message: ~"too deep"}
ann sends text "{\"_reqId\":\"q\",\"type\":\"send\",\"id\":1e400}"
ann sees error {code: bad_request}
ann sends text "{\"type\":\"send\",\"n\":9007199254740993}"
ann sees error {code: bad_request, message: ~"out of range"}
ann sends text "{\"type\":\"send\",\"id\":\"\\ud800\"}"
ann sees error {code: bad_request, message: ~"surrogate"}
ann sends text "{\"type\":\"send\",\"id\":\"\\u0000\"}"
ann sees error {code: bad_request, message: ~"control"}
ann sends text "{\"type\":7}"
ann sees error {code: bad_request}
ann sends text "{\"kind\":\"send\"}"
ann sees error {code: bad_request}
metric peermesh_rejected_total{reason="bad_request"} 11
ann sends text "{\"type\":\"send\",\"__proto__\":{\"type\":\"x\"},\"id\":\"p\",\"targetSpec\":\"$bob.key\",\"ciphertext\":\"eA==\"}"
ann sees ack {id: p, queued: true}
bob hears "x"
