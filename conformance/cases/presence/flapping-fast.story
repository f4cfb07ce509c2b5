story: a member that connects again and again waits for its turn, and nobody else waits with it
covers: mesh protocol 2; f_net_07
limits hellos_per_minute_max=120 hellos_burst=2

mesh garden with ann, bob
ann connects
ann#2 connects
ann#3 greets
ann.s1 greets
bob connects
ann#3 sees nothing for 300ms
ann#3 sees hello_ack
ann.s1 sees hello_ack
# Who goes while it waits gives its place up.
ann#4 greets
ann#5 greets
ann#4 drops
ann#5 sees hello_ack
bob tells ann "settled?" as c1
bob sees ack {queued: true}
