story: whoever a trusted proxy speaks for is counted under the address that the proxy added last
covers: mesh protocol 1; f_hsk_06
limits unauthenticated_per_address_max=1
config trusted_proxies=10.0.0.9
memory-only: needs addresses of its own

mesh garden with ann
a dials from 10.0.0.9
a opens with x-forwarded-for="10.0.0.1"
# Another line, a port, and the same address written as an IPv6 one.
b dials from 10.0.0.9
b opens with x-forwarded-for="1.1.1.1" x-forwarded-for="10.0.0.1"
a sees close 1013 overloaded
c dials from 10.0.0.9
c opens with x-forwarded-for="10.0.0.1:4711"
b sees close 1013 overloaded
d dials from 10.0.0.9
d opens with x-forwarded-for="::ffff:10.0.0.1"
c sees close 1013 overloaded
e dials from 10.0.0.9
e opens with x-forwarded-for="10.0.0.1, 10.0.0.2"
d sees nothing
# What is no address is not believed.
f dials from 10.0.0.9
f opens with x-forwarded-for="10.0.0.2, somebody"
e sees nothing
ann connects
