story: a command may be ten megabytes long, and nothing may be longer
covers: runner protocol 1.3

config runner_secrets=the-secret-of-runners

r1 runs as r1
runners POST /commands "{\"runnerId\": \"r1\", \"command\": {\"type\": \"start-build\", \"prompt\": \"" "x"*9000000 "\"}}" -> 200
r1 sees start-build
runners POST /commands "{\"runnerId\": \"r1\", \"command\": {\"type\": \"start-build\", \"prompt\": \"" "x"*11000000 "\"}}" -> 413
# A stranger's body is not even read.
eve posts /commands with authorization="Bearer wrong" "x"*9000000
eve gets 401
r1 sends frame length=11000000 ""
r1 sees close 1009 too_large
