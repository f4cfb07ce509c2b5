story: a publication is written once for each form, however many watch
covers: live protocol 4.4

config live_secret=the-secret-of-live-topics

token t for ann {"subscribe": ["*"]}
ann watches with Authorization="Bearer $t"
ann#2 watches with Authorization="Bearer $t"
ann#3 watches with Authorization="Bearer $t"
ann sends {"type": "subscribe", "topic": "a"}
ann#2 sends {"type": "subscribe", "topic": "a"}
ann#3 sends {"type": "subscribe", "topic": "a"}
wait 20ms
ann#4 streams /events?topic=a with Authorization="Bearer $t"
ann#5 streams /events?topic=a with Authorization="Bearer $t"
live POST /publish {"topic": "a", "data": 1} -> 200
live POST /publish {"topic": "a", "data": 2} -> 200
ann#3 sees authorized
ann#3 sees subscribed
ann#3 sees position {offset: 1}
ann#3 sees position {offset: 2}
ann#5 sees subscribed
ann#5 sees position {offset: 1}
ann#5 sees position {offset: 2}
metric peermesh_live_encodes_total 4
metric processor_live_messages_outbound_total{instance_id="story",type="position"} 10
