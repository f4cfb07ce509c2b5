story: without a gate every message is answered not-implemented, whatever path it came by
covers: live protocol 2.1; live protocol 2.2; live protocol 2.3

config live=on

ann watches
ann sends {"type": "subscribe", "topic": "foo"}
ann sees error {code: not-implemented, !message, !id, !topic}
ann sends {"type": "unsubscribe", "topic": "foo", "id": "u1", "more": [1]}
ann sees error {code: not-implemented}
bob watches /any/path?of=his
bob sends binary "{\"type\":\"subscribe\",\"topic\":\"foo\"}"
bob sees error {code: not-implemented}
live GET / -> 404 with content-length=0
live GET /topics -> 404 with content-length=0
live POST /publish {"topic": "a", "data": 1} -> 404 with content-length=0
live GET /healthz with authorization="" -> 404
metric processor_live_messages_inbound_total{instance_id="story",type="subscribe"} 2
metric processor_live_messages_inbound_total{instance_id="story",type="unsubscribe"} 1
metric processor_live_messages_outbound_total{instance_id="story",type="error"} 3
