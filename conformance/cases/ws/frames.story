story: a frame that breaks the rules ends its connection with the code that says so
covers: mesh protocol 7.2; f_frm_04; f_frm_05

mesh garden with ann
a opens
a sends frame mask=0 "{}"
a sees close 1002 protocol_error
b opens
b sends frame rsv=4 "{}"
b sees close 1002
c opens
c sends frame op=3 "{}"
c sees close 1002
d opens
d sends frame op=11 ""
d sees close 1002
# A continuation of nothing, and a new message inside another.
e opens
e sends frame op=0 "{}"
e sees close 1002
f opens
f sends frame fin=0 "{"
f sends text "{}"
f sees close 1002
# Control frames are short and whole.
g opens
g sends ping "x"*126
g sees close 1002
h opens
h sends frame op=9 fin=0 ""
h sees close 1002
# Close frames have a code that may be sent, and a reason that is text.
i opens
i sends frame op=8 "\x03"
i sees close 1002
j opens
j sends frame op=8 "\x03\xed"
j sees close 1002
k opens
k sends frame op=8 "\x03\xe8\xff"
k sees close 1007
metric peermesh_rejected_total{reason="bad_frame"} 11
ann connects
