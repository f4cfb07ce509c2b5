story: peers that do not answer the goodbye, and sockets that never spoke, do not keep a broker from ending
covers: mesh protocol 9; f_lif_01
limits drain_ms=500 close_ms=200

mesh garden with ann, bob
ann connects
bob connects
mute dials
half opens
bob stops reading
broker restarts
ann connects
ann sees nothing
