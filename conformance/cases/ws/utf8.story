story: text that is not UTF-8 is noticed wherever it stands, and text that is cut anywhere is not mistaken for it
covers: mesh protocol 0; mesh protocol 7.2; f_frm_05; f_frm_06

mesh garden with ann, bob
ann connects
bob connects
a opens
a sends text "{\"type\":\"\xc3\x28\"}"
a sees close 1007 invalid_utf8
b opens
b sends frame fin=0 "{\"type\":\"\xc3"
b sends frame op=0 "\x28\"}"
b sees close 1007
c opens
c sends frame fin=0 "{\"\xe2\x82"
c sends frame op=0 fin=1 ""
c sees close 1007
# Binary is read as text.
d opens
d sends binary "\xff"
d sees close 1007
ann sends frame fin=0 "{\"type\":\"send\",\"id\":\"\xe2\x82"
ann sends frame op=0 fin=0 "\xac\",\"targetSpec\":\"$bob.key\",\"ciphertext\":\"\xf0\x9f"
ann sends frame op=0 "\x98\x80\"}"
ann sees ack {id: "€", queued: true}
bob sees push {ciphertext: "😀"}
ann sends binary "{\"type\":\"list_peers\",\"_reqId\":\"b\"}"
ann sees peers_list {_reqId: b}
