story: a layout of fingerprints that the broker does not know is not there
covers: mesh protocol 2.5; mesh protocol 8.3

mesh garden with ann
ann connects with capabilities=["client_message_id_dedupe@2"]
ann sends {"type":"feature_negotiation_request","require":[
  {"feature":"client_message_id_dedupe","params":{"fingerprint_layouts":["raw","blake3"]}}]}
ann sees feature_negotiation_response {missing_required: [client_message_id_dedupe]}
ann sees error {code: feature_unavailable}
ann sees close 4010 {kind: feature_unavailable, feature: client_message_id_dedupe,
  detail: "fingerprint_layouts is raw/hex, not blake3"}
