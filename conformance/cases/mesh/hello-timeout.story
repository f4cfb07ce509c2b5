story: whoever does not say hello in time is sent away, whatever it does instead
covers: mesh protocol 2; mesh protocol 6.5; f_hsk_01; defect 20
limits hello_timeout_ms=200

mesh garden with ann
mute dials
slow dials
slow sends bytes "GET /ws HT"
idle opens
chatty opens
chatty sends {"type":"list_peers","_reqId":"r"}
chatty sees error {code: no_hello, message: "must send hello first"}
ann connects
idle sees close 1008 hello_timeout
chatty sees close 1008 hello_timeout
idle sees end
mute sees end
slow sees bytes "HTTP/1.1 408"
slow sees end
metric broker_connections_rejected_total{reason="hello_timeout"} 2

# One that said hello may stay as long as it likes.
ann sees nothing for 300ms
