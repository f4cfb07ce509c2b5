story: the second version of a feature goes to whoever says NAME@2, and to that connection only
covers: mesh protocol 2.5; mesh protocol 8.3; f_clu_07

mesh garden with ann, bob
ann greets with capabilities=["client_message_id_dedupe@2"]
ann sees hello_ack {features: {client_message_id_dedupe: {params: {version: 2, mode: retention_scoped,
  dedupe_retention_days: _, request_fingerprint: true, fingerprint_layouts: [raw, hex]}}, max_payload: {params:
  {version: 1}}}}
ann sends {"type":"feature_negotiation_request","_reqId":"q1","require":[
  {"feature":"client_message_id_dedupe","params":{"version":2,"fingerprint_layouts":["hex"]}}]}
ann sees feature_negotiation_response {_reqId: q1, missing_required: [], supported: {client_message_id_dedupe:
  {params: {version: 2, fingerprint_layouts: [raw, hex]}}}}

# The first is a part of the second.
ann sends {"type":"feature_negotiation_request","_reqId":"q2","require":[
  {"feature":"client_message_id_dedupe","params":{"version":1,"request_fingerprint":true}}]}
ann sees feature_negotiation_response {_reqId: q2, missing_required: []}

# A session says it as well as a member.
bob.s1 greets with capabilities=["x","client_message_id_dedupe@2"]
bob.s1 sees hello_ack {features: {client_message_id_dedupe: {params: {version: 2}}}}

# The same presence on a connection that did not say it.
ann#2 greets
ann#2 sees hello_ack {features: {client_message_id_dedupe: {params: {version: 1}}}}
ann sees close 1000 session_replaced
ann#2 sends {"type":"feature_negotiation_request"}
ann#2 sees feature_negotiation_response {supported: {client_message_id_dedupe: {params: {version: 1,
  !fingerprint_layouts}}}}
