story: a caller may go on on the same connection, until it makes a mistake or has nothing to ask for long
covers: runner protocol 1.4; s_hsk_03

shards 3
config runner_secrets=the-secret-of-runners
limits runner_idle_ms=300

r1 runs as r1
r2 runs as r2
r2 sends {"type": "ack", "id": "here"}
r2 sees event-ack
r1 sends {"type": "ack", "id": "here"}
r1 sees event-ack
cal keeps posting /commands {"runnerId": "r1", "command": {"type": "a"}}
cal gets 200 {ok: true}
cal keeps posting /commands {"runnerId": "r2", "command": {"type": "b"}}
cal gets 200 {ok: true}
cal keeps posting /commands {"runnerId": "nobody", "command": {"type": "c"}}
cal gets 503 {error: "Runner not connected"}
# Whatever comes together is answered in order.
cal keeps posting /commands?wait=ack&timeout_ms=20 {"runnerId": "r2", "command": {"type": "d", "id": "d1"}}
cal keeps posting /commands {"runnerId": "r1", "command": {"type": "e"}}
cal keeps posting /commands {"runnerId": "r2", "command": {"type": "f"}}
cal gets 504 {commandId: d1}
cal gets 200
cal gets 200
r1 sees a
r1 sees e
r2 sees b
r2 sees d
r2 sees f
cal sees end
# A mistake is the last that is said, and nothing behind it is read.
cal#2 keeps posting /commands "{nonsense"
cal#2 keeps posting /commands {"runnerId": "r1", "command": {"type": "g"}}
cal#2 gets 400
cal#2 sees end
eve keeps posting /commands with authorization="Bearer wrong" {"runnerId": "r1", "command": {"type": "g"}}
eve gets 401
eve sees end
r1 sees nothing
# Whoever says so is answered once.
dan posts /commands {"runnerId": "r1", "command": {"type": "h"}}
dan gets 200
dan sees end
r1 sees h
runners GET /status -> 200 with connection=close
