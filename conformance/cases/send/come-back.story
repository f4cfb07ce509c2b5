story: whoever comes back when it was told to is let through, and a moment earlier is not
covers: mesh protocol 8.7; mesh protocol 8.6
limits send_rate_per_minute=600 send_rate_burst=3
memory-only: real time is not that exact

mesh garden with ann, bob, carl, dora
ann connects
ann tells * "to three" as c1
ann sees ack {id: c1, queued: true, recipients: 3, !retry_after_ms}
# One costs 100 ms, three cost 300.
ann tells bob "one" as c2
ann sees ack {id: c2, queued: false, error: ~"come back in 100 ms", retry_after_ms: 100}
ann tells * "three again" as c3
ann sees ack {id: c3, queued: false, error: ~"come back in 300 ms", retry_after_ms: 300}
wait 99ms
ann tells bob "one" as c2
ann sees ack {id: c2, queued: false, retry_after_ms: 1}
wait 1ms
ann tells bob "one" as c2
ann sees ack {id: c2, queued: true, duplicate: false}
ann tells * "three again" as c3
ann sees ack {id: c3, queued: false, retry_after_ms: 300}
wait 300ms
ann tells * "three again" as c3
ann sees ack {id: c3, queued: true, duplicate: false, recipients: 3}
