story: a message over the limit is refused from its header, however it is cut
covers: mesh protocol 1.2; mesh protocol 7.2; f_frm_01; f_frm_02
limits message_bytes_max=1000

mesh garden with ann, bob, carl
ann connects
ann sends text "{\"type\":\"nothing\",\"x\":\"" "x"*990 "\"}"
ann sees close 1009 too_large
bob connects
bob sends frame fin=0 "{" " "*598
bob sends frame op=0 fin=0 " "*599
bob sees close 1009
carl connects
carl sends frame op=2 length=18446744073709551615 ""
carl sees close 1009
carl connects
carl sends frame op=2 length=9223372036854775807 ""
carl sees close 1009
metric peermesh_rejected_total{reason="too_large"} 4
ann connects
