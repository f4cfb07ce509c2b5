story: a request for features is answered under its name with all that there is, and nothing else happens
covers: mesh protocol 2.5; mesh protocol 9

mesh garden with ann, bob
ann greets
ann sees hello_ack {presenceId: $p, features: {client_message_id_dedupe: $dedupe, max_payload: $payload}}
bob connects
ann sends {"type":"feature_negotiation_request","_reqId":"q1","require":["client_message_id_dedupe",
  "concurrent_connection_policy"],"optional":["max_payload"]}
ann sees feature_negotiation_response {_reqId: q1, missing_required: [], !id, supported:
  {client_message_id_dedupe: $dedupe, max_payload: $payload,
  concurrent_connection_policy: {params: {version: 1, default_policy: allow_concurrent}}}}
log "ws feature_negotiation_request" {presence_id: $p, require: 2, optional: 1}

# With what it must be.
ann sends {"type":"feature_negotiation_request","_reqId":"q2","require":[
  {"feature":"client_message_id_dedupe","params":{"version":1,"mode":"retention_scoped",
  "dedupe_retention_days":7,"request_fingerprint":true}},
  {"feature":"concurrent_connection_policy","params":{"default_policy":"allow_concurrent"}},
  {"feature":"max_payload","params":{"inline_bytes":65536,"blob_bytes":1024}}]}
ann sees feature_negotiation_response {_reqId: q2, missing_required: []}

# Who only wants to know what there is asks for nothing; null is nothing, too.
ann sends {"type":"feature_negotiation_request"}
ann sees feature_negotiation_response {!_reqId, missing_required: [], supported: {max_payload: _}}
ann sends {"type":"feature_negotiation_request","require":null,"optional":[{"feature":"max_payload","params":null}]}
ann sees feature_negotiation_response {missing_required: []}
ann tells bob "on we go" as c1
ann sees ack {id: c1, queued: true}
bob hears "on we go"
no log "feature negotiation failed"
no log "feature_optional_param_invalid"
