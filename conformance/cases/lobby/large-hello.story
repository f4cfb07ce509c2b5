story: before the hello a connection may say only so much
covers: mesh protocol 2; f_hsk_02; f_frm_01
limits hello_bytes_max=1024
let filler = "x"*1100

mesh garden with ann
ann opens
ann sends {"type":"list_peers","filler":"$filler"}
ann sees close 1009
bob opens
bob sends frame length=9223372036854775807 ""
bob sees close 1009
# After it, a message may be longer.
ann connects
ann sends {"type":"list_peers","filler":"$filler"}
ann sees peers_list
