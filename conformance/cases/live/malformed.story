story: what is no message is answered so, and the connection goes on
covers: live protocol 2.3

config live=on

ann watches
ann sends text "not json"
ann sees error {code: protocol-violation, message: "Invalid message envelope"}
ann sends {"type": "subscribe"}
ann sees error {code: protocol-violation}
ann sends {"type": "publish", "topic": "a", "data": 1}
ann sees error {code: protocol-violation}
ann sends binary "\xff\xfe{}"
ann sees close 1007 invalid_utf8
bob watches
bob sends 40 times {"type": "nonsense"}
bob sees 40 times error {code: protocol-violation}
bob sends {"type": "subscribe", "topic": "foo"}
bob sees error {code: not-implemented}
metric processor_live_messages_inbound_total{instance_id="story",type="invalid"} 43
log "inbound message" {type: subscribe, id: _}
no log "inbound message" {type: nonsense}
