story: a parameter that binds nobody is passed over in what is required, and the log says so
covers: mesh protocol 2.5; mesh protocol 9

mesh garden with ann
ann greets
ann sees hello_ack {presenceId: $p}
ann sends {"type":"feature_negotiation_request","_reqId":"q1","require":[
  {"feature":"client_message_id_dedupe","params":{"tombstone_history_pruned_window_days":30}},
  {"feature":"concurrent_connection_policy","params":{"default_policy":"whoever shouts"}}]}
ann sees feature_negotiation_response {_reqId: q1, missing_required: []}
log "feature_optional_param_invalid" {level: info, presence_id: $p, feature: client_message_id_dedupe,
  detail: "the broker knows no tombstone_history_pruned_window_days", count: 2}
ann sees nothing
