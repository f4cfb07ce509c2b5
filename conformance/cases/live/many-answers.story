story: long answers to many short questions wait for whoever asked them, and nothing more is read of it meanwhile
covers: live protocol 4.3; live protocol 4.7; f_net_03

config live_secret=the-secret-of-live-topics

token t for ann {"history": ["a"]}
live POST /publish "{\"topic\": \"a\", \"data\": \"" "x"*60000 "\"}" -> 200
live POST /publish "{\"topic\": \"a\", \"data\": \"" "x"*60000 "\"}" -> 200
ann watches with Authorization="Bearer $t"
ann sees authorized
ann sends 100 times {"type": "history", "topic": "a", "id": "$n"}
ann sees 100 times history {offset: 2}
ann sees nothing
