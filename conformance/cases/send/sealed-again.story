story: where both sends say what was asked, that decides, and a message may be sealed again
covers: mesh protocol 8.4; mesh protocol 8.3; f_acc_09
limits send_rate_per_minute=0

mesh garden with ann, bob
ann connects
ann tells bob "sealed" as c1 with request_fingerprint=1f5858ccc9c4c70fc1d3ad90d7382a32f4c6e407aedc42cbc18b79d32b93a419
ann sees ack {id: c1, queued: true, messageId: $m}
ann tells bob "sealed again" as c1 with request_fingerprint=1f5858ccc9c4c70fc1d3ad90d7382a32f4c6e407aedc42cbc18b79d32b93a419
ann sees ack {id: c1, queued: true, messageId: $m, duplicate: true}
ann tells bob "sealed" as c1 with request_fingerprint=9b55907cae4bc96ed4d690cba1c531b95b3ab6e31019458f5aaacfc7386f4a30
ann sees ack {id: c1, queued: false, error: ~"invalid: idempotency_key_reused", broker_fingerprint_prefix: 1f5858ccc9c4c70f}
# A sender that says nothing is told apart by what it sealed.
ann tells bob "sealed" as c1
ann sees ack {id: c1, queued: true, messageId: $m, duplicate: true}
ann tells bob "sealed again" as c1
ann sees ack {id: c1, queued: false, error: ~"invalid: idempotency_key_reused"}
bob connects
bob hears "sealed" {messageId: $m}
bob sees nothing
