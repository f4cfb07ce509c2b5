story: a short command that goes before it is asked takes no mail with it, however often it comes
covers: mesh protocol 5.3; defect 8; f_del_03
limits legacy_ping_ms=200 deliveries_max=2

mesh garden with ann, bob
ann connects
ann tells bob "keep me" as c1
ann sees ack {messageId: $m}
bob.tty connects legacy
bob.tty hears "keep me"
bob.tty closes
bob.tty connects legacy
bob.tty hears "keep me"
bob.tty closes
bob.tty connects legacy
bob.tty hears "keep me"
bob.tty closes
bob connects
bob hears "keep me" {messageId: $m}
bob acks
bob.tty connects legacy
bob.tty sees nothing
