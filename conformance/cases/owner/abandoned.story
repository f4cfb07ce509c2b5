story: whoever goes while its mesh is being claimed is not seated, and the mesh is given up in its time
covers: mesh protocol 2.4; f_hsk_01
limits mesh_idle_ms=100
memory-only: the other stage's store has one broker

mesh garden with ann, bob
wait 300ms
store delays 50ms
ann greets
wait 20ms
ann drops
wait 300ms
store heals
metric broker_connections_active 0
wait 300ms
rival takes garden
