story: a key made by a clock that runs ahead is known until it is too old by its own time
covers: mesh protocol 8.8; f_acc_12; f_tim_01
limits message_ttl_ms=1000 retention_ms=1000 retention_sweep_ms=1000000 dedupe_retention_ms=259200000 health_ms=2000
  hook_sweep_ms=60000 stats_ms=60000 status_sweep_ms=3600000 ping_ms=600000 pong_ms=1800000 hello_skew_ms=3600000
memory-only: it takes three days

mesh garden with ann, bob
ann connects
bob connects
# By the clock of its client the message was made in 50 minutes.
ann tells bob "soup?" as c1 with enqueued_at=now+3000000
ann sees ack {messageId: $m, duplicate: false}
bob hears "soup?"
bob acks
# Three days and half an hour later, that is two days, 23 hours and 40 minutes ago: no retry is refused for its age.
wait 4350m
ann tells bob "soup?" as c1 with enqueued_at=now-258000000
ann sees ack {queued: true, messageId: $m, duplicate: true, history_available: false}
# Three days and two hours later the key is too old, whether it is known or not.
wait 90m
ann tells bob "soup?" as c1 with enqueued_at=now-263400000
ann sees ack {queued: false, error: ~"invalid: key_expired"}
bob sees nothing
