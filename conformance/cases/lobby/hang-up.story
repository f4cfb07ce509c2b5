story: a stream that ends before it asked for anything, or in the middle of it, leaves nothing behind
covers: mesh protocol 2; f_hsk_01

mesh garden with ann
mute dials
mute hangs up
mute sees end
half dials
half sends bytes "POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"
half hangs up
half sees end
open opens
open hangs up
open sees end
# Whoever asked for something and then ends its side still gets the answer.
asker dials
asker sends bytes "GET /health HTTP/1.1\r\nHost: x\r\n\r\n"
asker hangs up
asker sees bytes "HTTP/1.1 200 OK"
asker sees end
metric peermesh_sockets 1
ann connects
