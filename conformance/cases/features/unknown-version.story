story: a version, a mode or a policy that the broker does not do is a feature that is not there
covers: mesh protocol 2.5; f_clu_07

mesh garden with ann
ann connects with capabilities=["close_code_split"]
ann sends {"type":"feature_negotiation_request","require":[{"feature":"max_payload","params":{"version":2}}]}
ann sees feature_negotiation_response {missing_required: [max_payload]}
ann sees error {code: feature_unavailable}
ann sees close 4010 {kind: feature_unavailable, feature: max_payload, detail: "version is 1, not 2"}
ann sees end

# The second version is there, but only for whoever knows it.
ann#2 connects with capabilities=["close_code_split"]
ann#2 sends {"type":"feature_negotiation_request","require":[
  {"feature":"client_message_id_dedupe","params":{"version":2}}]}
ann#2 sees feature_negotiation_response {missing_required: [client_message_id_dedupe]}
ann#2 sees error {code: feature_unavailable}
ann#2 sees close 4010 {kind: feature_unavailable,
  detail: "say client_message_id_dedupe@2 for version 2"}
ann#2 sees end

ann#3 connects with capabilities=["close_code_split"]
ann#3 sends {"type":"feature_negotiation_request","require":[
  {"feature":"client_message_id_dedupe","params":{"mode":"permanent"}}]}
ann#3 sees feature_negotiation_response {missing_required: [client_message_id_dedupe]}
ann#3 sees error {code: feature_unavailable, message: ~"mode is retention_scoped, not permanent"}
ann#3 sees close 4010
ann#3 sees end

ann.s1 connects with capabilities=["close_code_split"]
ann.s1 sends {"type":"feature_negotiation_request","require":[
  {"feature":"client_message_id_dedupe","params":{"mode":"made_up"}}]}
ann.s1 sees feature_negotiation_response {missing_required: [client_message_id_dedupe]}
ann.s1 sees error {code: feature_unavailable}
ann.s1 sees close 4010 {kind: feature_unavailable, detail: "mode is retention_scoped, not made_up"}
ann.s1 sees end

ann.s2 connects with capabilities=["close_code_split"]
ann.s2 sends {"type":"feature_negotiation_request","require":[
  {"feature":"concurrent_connection_policy","params":{"default_policy":"prefer_oldest"}}]}
ann.s2 sees feature_negotiation_response {missing_required: [concurrent_connection_policy]}
ann.s2 sees error {code: feature_unavailable, message: ~"default_policy is allow_concurrent, not prefer_oldest"}
ann.s2 sees close 4010
