story: who requires what is not there hears the answer, then why, then the close, and may come back
covers: mesh protocol 2.5; mesh protocol 7.2; f_clu_07

mesh garden with ann, bob
bob connects
ann greets
ann sees hello_ack {presenceId: $p}
ann sends {"type":"feature_negotiation_request","_reqId":"q1","require":["max_payload","key_epoch",
  {"feature":"made_up","params":{"x":1}},"key_epoch"],"optional":["other"]}
ann sees feature_negotiation_response {_reqId: q1, missing_required: [key_epoch, made_up], supported: {max_payload: _}}
ann sees error {code: feature_unavailable, _reqId: q1, id: q1,
  message: "{\"kind\":\"feature_unavailable\",\"feature\":\"key_epoch\",\"detail\":\"the broker does not do this\"}"}
ann sees close 4010 "{\"kind\":\"feature_unavailable\",\"feature\":\"key_epoch\","
  "\"detail\":\"the broker does not do this\"}"
ann sees end
log "feature negotiation failed" {level: warn, presence_id: $p, code: 4010, kind: feature_unavailable,
  feature: key_epoch, detail: "the broker does not do this"}

# Its presence is in its grace like that of anybody whose connection ended.
bob sees no event peer_left
ann#2 greets
ann#2 sees hello_ack {presenceId: $p}
