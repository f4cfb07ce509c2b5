story: a broadcast says of every topic what came of it
covers: live protocol 4.5

config live_secret=the-secret-of-live-topics
limits live_broadcast_max=3

token t for ann {"publish": ["a", "b"]}
live POST /broadcast with authorization="Bearer $t" {"topics": ["a", "secret", "b"], "data": 1, "idempotency_key": "k"} -> 200
  {results: [{topic: a, offset: 1, duplicate: false}, {topic: secret, error: forbidden}, {topic: b, offset: 1}]}
live POST /broadcast with authorization="Bearer $t" {"topics": ["a"], "data": 1, "idempotency_key": "k"} -> 200
  {results: [{topic: a, offset: 1, duplicate: true}]}
live POST /broadcast {"topics": ["a", "b", "c", "d"], "data": 1} -> 422 {error: limit-exceeded}
live POST /broadcast {"topics": "a", "data": 1} -> 400 {error: protocol-violation}
