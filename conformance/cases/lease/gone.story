story: a lease ends with its connection, grace or not, and the mail goes to whoever can take it
covers: mesh protocol 5.3; mesh protocol 4.3; defect 3; defect 51; f_net_05
limits lease_ms=60000

mesh garden with ann, bob
ann connects
bob.s1 connects
bob connects
ann tells bob "catch" as c1
ann sees ack
bob hears "catch" {messageId: $m}
# His own connection goes; it is in grace, and the session takes over at once.
bob drops
bob.s1 hears "catch" {messageId: $m}
bob.s1 drops
bob connects
bob hears "catch" {messageId: $m}
# A newer connection takes over the mail together with the place.
bob#2 connects
bob sees close 1000 session_replaced
bob#2 hears "catch" {messageId: $m}
bob#2 acks
bob#2 sees nothing
