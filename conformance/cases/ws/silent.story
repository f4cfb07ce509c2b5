story: sockets that say nothing are closed in time and keep nobody out
covers: mesh protocol 2; f_hsk_01; f_hsk_06; defect 20
limits hello_timeout_ms=300 handshakes_max=4

mesh garden with ann
a dials
b dials
c opens
d opens
# There is room for four: the oldest silent one goes for the newcomer.
ann connects
a sees end
b sees end
c sees close 1008 hello_timeout
d sees close 1008 hello_timeout
ann sees nothing
