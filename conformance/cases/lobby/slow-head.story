story: a request that comes drop by drop, and one that never begins, end at the same deadline
covers: mesh protocol 2; f_hsk_01
limits hello_timeout_ms=200

mute dials
drip dials
drip sends bytes "G"
wait 60ms
drip sends bytes "ET /health HT"
wait 60ms
drip sends bytes "TP/1.1\r\nHost: x\r\n"
body dials
body sends bytes "POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n{"
drip sees bytes "HTTP/1.1 408"
drip sees end
mute sees bytes "HTTP/1.1 408"
mute sees end
body sees bytes "HTTP/1.1 408"
body sees end
