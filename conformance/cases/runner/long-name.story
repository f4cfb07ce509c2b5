story: nothing is kept for a runner whose name is too long to connect with
covers: runner protocol 3.1

config runner_secrets=the-secret-of-runners

runners POST /commands?queue=60000 "{\"runnerId\": \"" "n"*4000 "\", \"command\": {\"type\": \"x\"}}"
  -> 503 {error: "Runner not connected"}
runners POST /commands with idempotency-key=k "{\"runnerId\": \"" "n"*4000 "\", \"command\": {\"type\": \"x\"}}"
  -> 503 {error: "Runner not connected"}
http GET /admin/runners with authorization="Bearer $admin" -> 200 {runners: []}
