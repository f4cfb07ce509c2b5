story: wide objects, long lists, long keys and long numbers are refused at their bounds
covers: mesh protocol 3.1; f_jsn_01; f_jsn_03
limits json_keys_max=32 json_items_max=16 json_key_bytes_max=32 json_number_chars_max=16

mesh garden with ann
ann connects
ann sends text "{\"type\":\"x\",\"l\":[0" ",0"*15 "]}"
ann sees error {code: not_supported}
ann sends text "{\"type\":\"x\",\"l\":[0" ",0"*16 "]}"
ann sees error {code: bad_request, message: ~"too many items"}
ann sends text "{\"type\":\"x\",\"" "k"*32 "\":0}"
ann sees error {code: not_supported}
ann sends text "{\"type\":\"x\",\"" "k"*33 "\":0}"
ann sees error {code: bad_request, message: ~"key too long"}
ann sends text "{\"type\":\"x\",\"n\":0." "0"*15 "}"
ann sees error {code: bad_request, message: ~"number too long"}
ann sends text "{\"type\":\"x\",\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,\"g\":0,\"h\":0,\"i\":0,\"j\":0,\"k\":0,\"l\":0,\"m\":0,\"n\":0,\"o\":0,\"p\":0,\"q\":0,\"r\":0,\"s\":0,\"t\":0,\"u\":0,\"v\":0,\"w\":0,\"x\":0,\"y\":0,\"z\":0,\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0}"
ann sees error {code: not_supported}
ann sends text "{\"type\":\"x\",\"a\":0,\"b\":0,\"c\":0,\"d\":0,\"e\":0,\"f\":0,\"g\":0,\"h\":0,\"i\":0,\"j\":0,\"k\":0,\"l\":0,\"m\":0,\"n\":0,\"o\":0,\"p\":0,\"q\":0,\"r\":0,\"s\":0,\"t\":0,\"u\":0,\"v\":0,\"w\":0,\"x\":0,\"y\":0,\"z\":0,\"1\":0,\"2\":0,\"3\":0,\"4\":0,\"5\":0,\"6\":0}"
ann sees error {code: bad_request, message: ~"too many keys"}
