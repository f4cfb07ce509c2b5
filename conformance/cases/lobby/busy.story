story: whoever waits for our answer is not silent, and makes no room for those who are
covers: mesh protocol 2; f_hsk_01; f_hsk_06
limits handshakes_max=4

mesh garden with ann
store delays 400ms
ann greets
op dials
op sends bytes "GET /admin/meshes HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $admin\r\n\r\n"
wait 100ms
idle#1 dials
idle#2 opens
idle#3 dials
idle#1 sees end
idle#4 dials
idle#2 sees close 1013 overloaded
ann sees hello_ack
op sees bytes "HTTP/1.1 200"
idle#4 sees nothing
