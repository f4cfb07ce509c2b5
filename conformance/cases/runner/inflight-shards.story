story: a long command for a runner of another shard takes no room from those that come after it
covers: runner protocol 1.3
shards 2

config runner_secrets=the-secret-of-runners
limits runner_inflight_bytes_max=2097152 runner_message_bytes_max=1000000

runners POST /commands "{\"runnerId\": \"a\", \"command\": {\"type\": \"x\", \"prompt\": \"" "x"*900000 "\"}}" -> 503
runners POST /commands "{\"runnerId\": \"b\", \"command\": {\"type\": \"x\", \"prompt\": \"" "x"*900000 "\"}}" -> 503
runners POST /commands "{\"runnerId\": \"c\", \"command\": {\"type\": \"x\", \"prompt\": \"" "x"*900000 "\"}}" -> 503
runners POST /commands "{\"runnerId\": \"d\", \"command\": {\"type\": \"x\", \"prompt\": \"" "x"*900000 "\"}}" -> 503
runners POST /commands "{\"runnerId\": \"e\", \"command\": {\"type\": \"x\", \"prompt\": \"" "x"*900000 "\"}}" -> 503
runners POST /commands "{\"runnerId\": \"f\", \"command\": {\"type\": \"x\", \"prompt\": \"" "x"*900000 "\"}}" -> 503
a runs as a
b runs as b
c runs as c
runners POST /commands "{\"runnerId\": \"a\", \"command\": {\"type\": \"x\", \"prompt\": \"" "x"*900000 "\"}}" -> 200
runners POST /commands "{\"runnerId\": \"b\", \"command\": {\"type\": \"x\", \"prompt\": \"" "x"*900000 "\"}}" -> 200
runners POST /commands "{\"runnerId\": \"c\", \"command\": {\"type\": \"x\", \"prompt\": \"" "x"*900000 "\"}}" -> 200
a sees x
b sees x
c sees x
