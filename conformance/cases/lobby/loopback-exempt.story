story: loopback and trusted proxies have no cap of their own, but what a trusted proxy names has
covers: mesh protocol 1; f_hsk_06
limits unauthenticated_per_address_max=2
config trusted_proxies=10.0.0.9
memory-only: needs addresses of its own

near#1 dials
near#2 dials
near#3 dials
proxy#1 dials from 10.0.0.9
proxy#2 dials from 10.0.0.9
proxy#3 dials from 10.0.0.9
near#1 sees nothing
proxy#1 sees nothing
proxy#1 opens with x-forwarded-for="1.2.3.4, 10.0.0.77, 10.0.0.9"
proxy#2 opens with x-forwarded-for="10.0.0.77"
proxy#3 opens with x-forwarded-for="1.1.1.1,10.0.0.77"
proxy#1 sees close 1013 overloaded
proxy#2 sees nothing
# Who is no trusted proxy cannot name another address.
liar#1 dials from 10.0.0.5
liar#2 dials from 10.0.0.5
liar#1 opens with x-forwarded-for="10.0.0.6"
liar#2 opens with x-forwarded-for="10.0.0.7"
liar#3 dials from 10.0.0.5
liar#1 sees close 1013 overloaded
