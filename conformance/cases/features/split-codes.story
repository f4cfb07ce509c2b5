story: a peer that says close_code_split gets a code for each kind of failure
covers: mesh protocol 2.5; mesh protocol 7.2

mesh garden with ann
ann connects with capabilities=["close_code_split"]
ann sends {"type":"feature_negotiation_request","_reqId":"q","require":["key_epoch"]}
ann sees feature_negotiation_response {_reqId: q, missing_required: [key_epoch]}
ann sees error {code: feature_unavailable, _reqId: q}
ann sees close 4010 {kind: feature_unavailable, feature: key_epoch}
ann sees end

ann#2 connects with capabilities=["close_code_split"]
ann#2 sends {"type":"feature_negotiation_request","_reqId":"q","require":[
  {"feature":"client_message_id_dedupe","params":{"request_fingerprint":false}}]}
ann#2 sees feature_negotiation_response {missing_required: [client_message_id_dedupe]}
ann#2 sees error {code: feature_param_invalid, _reqId: q}
ann#2 sees close 4011 {kind: feature_param_invalid, feature: client_message_id_dedupe,
  detail: "request_fingerprint must be true"}
ann#2 sees end

ann.s1 connects with capabilities=["close_code_split"]
ann.s1 sends {"type":"feature_negotiation_request","_reqId":"q","require":[
  {"feature":"client_message_id_dedupe","params":{"dedupe_retention_days":9999}}]}
ann.s1 sees feature_negotiation_response {missing_required: [client_message_id_dedupe]}
ann.s1 sees error {code: feature_param_below_floor, _reqId: q}
ann.s1 sees close 4012 {kind: feature_param_below_floor, feature: client_message_id_dedupe, detail: ~"9999"}
log "feature negotiation failed" {code: 4012, kind: feature_param_below_floor}
