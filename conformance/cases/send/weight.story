story: a send to many costs as much as it has recipients, and never more than a full budget
covers: mesh protocol 8.7
limits send_rate_per_minute=60 send_rate_burst=3

mesh garden with ann, bob, carl, dora, eve, fay
ann connects
# Five recipients, and a budget of three.
ann tells * "to all" as c1
ann sees ack {id: c1, queued: true, recipients: 5}
ann tells bob "and you" as c2
ann sees ack {id: c2, queued: false, error: ~"retry: rate_limit", retry_after_ms: _}
bob connects
bob hears "to all"
bob tells carl "one" as b1
bob sees ack {id: b1, queued: true}
bob tells carl "two" as b2
bob sees ack {id: b2, queued: true}
bob tells * "to all" as b3
bob sees ack {id: b3, queued: false, error: ~"retry: rate_limit"}
