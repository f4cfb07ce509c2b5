story: whoever takes over an entry is not judged by capacity, and what was replaced or removed counts no more
covers: mesh protocol 6.4; mesh protocol 7.1; defect 9; defect 19; defect 40
limits connections_per_mesh_max=2

mesh garden with ann, bob, carl
ann.s1 connects
bob connects
ann.s1#2 connects
ann.s1 sees close 1000 session_replaced
ann.s1#3 connects
ann.s1#2 sees close 1000 session_replaced
# Another session of the same place: the old entry goes.
ann.s2 connects with sessionId=ann-s1
ann.s1#3 sees close 1000 session_replaced
metric broker_connections_active 2
carl greets
carl sees error {code: capacity}
carl sees close 1008 capacity

http DELETE /admin/meshes/garden/members/bob with authorization="Bearer $admin" -> 200
bob sees close 4002 banned
metric broker_connections_active 1
carl connects
metric broker_connections_active 2
carl closes
metric broker_connections_active 1
