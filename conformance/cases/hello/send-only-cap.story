story: connections that only send have a cap of their own
covers: mesh protocol 2.3 row 2; mesh protocol 7.1
limits connections_per_mesh_max=1 send_only_per_mesh_max=1

mesh garden with ann, bob
ann connects
bob connects with capabilities=["send_only"]
bob#2 greets with capabilities=["send_only"]
bob#2 sees error {code: capacity, message: "mesh at connection capacity"}
bob#2 sees close 1008 capacity
bob#3 greets
bob#3 sees error {code: capacity}
bob#3 sees close 1008 capacity
bob closes
wait 30ms
bob connects with capabilities=["send_only"]
