story: the payload a broker says it takes is the one it takes, and no more than a message holds
covers: mesh protocol 2.5; mesh protocol 3.2
limits payload_bytes_max=2000 message_bytes_max=4096

mesh garden with ann, bob
ann greets
ann sees hello_ack {features: {max_payload: {params: {inline_bytes: 2000, blob_bytes: 2000}}}}
ann sends {"type":"feature_negotiation_request","_reqId":"q","require":[{"feature":"max_payload","params":{"inline_bytes":2000}}]}
ann sees feature_negotiation_response {_reqId: q, missing_required: []}
