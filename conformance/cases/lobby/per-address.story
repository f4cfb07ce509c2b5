story: over the cap of unauthenticated connections of one address its oldest silent one goes, never the
  newcomer
covers: mesh protocol 2; f_hsk_06; f_hsk_01; defect 20
limits unauthenticated_per_address_max=2
memory-only: needs addresses of its own

mesh garden with ann
ann#1 dials from 10.0.0.1
ann#2 dials from 10.0.0.1
other dials from 10.0.0.2
ann#2 opens
ann#3 dials from 10.0.0.1
ann#1 sees end
other sees nothing
ann#4 dials from 10.0.0.1
ann#2 sees close 1013 overloaded
ann#4 opens
# One that said hello is not counted any more.
ann#4 connects
ann#5 dials from 10.0.0.1
ann#6 dials from 10.0.0.1
ann#4 sees nothing
ann#3 sees end
metric peermesh_rejected_total{reason="overloaded"} 3
