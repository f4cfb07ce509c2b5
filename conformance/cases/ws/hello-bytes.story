story: who has not said who it is may not say much
covers: mesh protocol 2; f_hsk_01; f_hsk_02
limits hello_bytes_max=2000

mesh garden with ann
talker opens
talker sends text "{\"type\":\"hello\",\"x\":\"" "x"*2000 "\"}"
talker sees close 1009 too_large
dripper opens
dripper sends 7 times text "{\"type\":\"who\",\"x\":\"" "x"*300 "\"}"
dripper sees error {code: no_hello}
dripper sees error
dripper sees error
dripper sees error
dripper sees error
dripper sees close 1009
ann connects
ann sends {"type":"set_summary","summary":"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}
ann sends text "{\"type\":\"who\",\"id\":\"i\",\"x\":\"" "x"*3000 "\"}"
ann sees error {code: not_supported, id: i}
