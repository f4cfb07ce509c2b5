story: a peer that knows one code gets 4010 for every kind of failure, and the kind in the reason
covers: mesh protocol 2.5; mesh protocol 7.2

mesh garden with ann
ann connects
ann sends {"type":"feature_negotiation_request","_reqId":"q","require":[
  {"feature":"client_message_id_dedupe","params":{"dedupe_retention_days":"a week"}}]}
ann sees feature_negotiation_response {missing_required: [client_message_id_dedupe]}
ann sees error {code: feature_param_invalid, _reqId: q, message: ~"an integer"}
ann sees close 4010 {kind: feature_param_invalid, feature: client_message_id_dedupe,
  detail: "dedupe_retention_days must be an integer"}
ann sees end

# A value that no peer may be content with is none.
ann#2 connects
ann#2 sends {"type":"feature_negotiation_request","require":[
  {"feature":"client_message_id_dedupe","params":{"dedupe_retention_days":2}}]}
ann#2 sees feature_negotiation_response {missing_required: [client_message_id_dedupe]}
ann#2 sees error {code: feature_param_invalid, !_reqId, !id}
ann#2 sees close 4010 {kind: feature_param_invalid, detail: "dedupe_retention_days must be 3 or more"}
ann#2 sees end

ann#3 connects
ann#3 sends {"type":"feature_negotiation_request","_reqId":"q","require":[
  {"feature":"max_payload","params":{"inline_bytes":65537}}]}
ann#3 sees feature_negotiation_response {missing_required: [max_payload]}
ann#3 sees error {code: feature_param_below_floor}
ann#3 sees close 4010 {kind: feature_param_below_floor, feature: max_payload,
  detail: "inline_bytes is 65536, not 65537"}
