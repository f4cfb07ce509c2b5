story: what a peer only would like to have ends nothing, whatever it is
covers: mesh protocol 2.5; f_clu_07

mesh garden with ann
ann greets
ann sees hello_ack {presenceId: $p}
ann sends {"type":"feature_negotiation_request","_reqId":"q1","optional":["key_epoch","made up","",
  {"feature":"client_message_id_dedupe","params":{"version":9}},
  {"feature":"max_payload","params":{"inline_bytes":99999999}}]}
ann sees feature_negotiation_response {_reqId: q1, missing_required: [], supported: {!key_epoch, max_payload: _}}
no log "feature_optional_param_invalid"
ann sends {"type":"feature_negotiation_request","_reqId":"q2","optional":[
  {"feature":"max_payload","params":{"inline_bytes":"much"}}]}
ann sees feature_negotiation_response {_reqId: q2, missing_required: []}
log "feature_optional_param_invalid" {presence_id: $p, feature: max_payload, count: 1,
  detail: "inline_bytes must be an integer"}
ann sees nothing
