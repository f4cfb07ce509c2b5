story: a topic that another broker took while it was on its way into memory is shown to nobody
covers: live protocol 3.4; f_tim_04; f_clu_03
limits health_ms=1000 health_answer_ms=5000
memory-only: the other stage's store has one broker

config live_secret=the-secret-of-live-topics

store says lease_ms=3000
wait 2500ms
token t for ann {"subscribe": ["*"]}
ann watches with Authorization="Bearer $t"
ann sees authorized
store delays 200ms
ann sends {"type": "subscribe", "topic": "a", "id": "a1"}
# It is claimed, and being read.
wait 300ms
rival robs topic a
clock jumps +4s
ann sees error {code: unavailable, id: a1}
store heals
wait 2500ms
ann sends {"type": "subscribe", "topic": "a", "id": "a2"}
ann sees error {code: not-owner, id: a2}

# The doubt is over before it has been read.
store delays 1500ms
ann sends {"type": "subscribe", "topic": "b", "id": "b1"}
wait 1600ms
store heals
rival robs topic b
clock jumps +4s
ann sees error {code: not-owner, id: b1}
