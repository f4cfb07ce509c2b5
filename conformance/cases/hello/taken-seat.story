story: only the same member from the same host takes a seat over
covers: mesh protocol 6.4; defect 10

mesh garden with ann, bob
ann greets with sessionId=daemon-7 hostname=h1
ann sees hello_ack {presenceId: $p}
bob connects with sessionId=daemon-7 hostname=h1
ann#2 connects with sessionId=daemon-7 hostname=h2
ann#3 connects with sessionId=daemon-8 hostname=h1
ann sees nothing
bob sees nothing
ann#2 sees nothing
ann#4 greets with sessionId=daemon-7 hostname=h1
ann#4 sees hello_ack {presenceId: $p}
ann sees close 1000 session_replaced
ann#2 sees nothing
bob sees nothing
