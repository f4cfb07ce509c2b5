story: a broker that ends in good order leaves its meshes to whoever comes next
covers: mesh protocol 9; f_lif_01
memory-only: the other stage's store has one broker

mesh garden with ann
mesh orchard with carl
ann connects
broker drains
ann sees close 1001 "shutting down"
ann sees end
wait 1500ms
rival takes garden
rival takes orchard
