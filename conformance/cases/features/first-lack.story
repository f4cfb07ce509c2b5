story: of several failures the close tells the first one required, and the answer all of them
covers: mesh protocol 2.5

mesh garden with ann
ann connects with capabilities=["close_code_split"]
ann sends {"type":"feature_negotiation_request","require":[
  {"feature":"max_payload","params":{"blob_bytes":1e9,"inline_bytes":5}},"key_epoch",
  {"feature":"concurrent_connection_policy","params":{"default_policy":"prefer_newest"}}]}
ann sees feature_negotiation_response
  {missing_required: [max_payload, key_epoch, concurrent_connection_policy]}
ann sees error {code: feature_param_invalid}
ann sees close 4011 {kind: feature_param_invalid, feature: max_payload, detail: ~"blob_bytes"}
