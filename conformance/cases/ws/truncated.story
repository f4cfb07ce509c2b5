story: a stream that ends in the middle of a head, a frame or a message ends, and nobody else notices
covers: mesh protocol 1.2; f_hsk_01; f_frm_02; f_net_01

mesh garden with ann, bob
ann connects
bob connects
head dials
head sends bytes "GET /ws HTTP/1.1\r\nHost: x\r\nConn"
head hangs up
head sees end
half opens
half sends frame length=100 "only this"
half drops
part opens
part sends frame fin=0 "{\"type\":"
part hangs up
part sees end
bob sends frame length=50 "{\"type\":\"send\""
bob hangs up
bob sees end
ann tells bob "still here?" as c1
ann sees ack {queued: true, online: 0}
bob connects
bob hears "still here?"
