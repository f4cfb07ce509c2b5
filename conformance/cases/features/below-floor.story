story: a feature that the broker has too little of for anybody is not offered
covers: mesh protocol 2.5
limits payload_bytes_max=1023

mesh garden with ann
ann greets with capabilities=["close_code_split"]
ann sees hello_ack {features: {!max_payload, client_message_id_dedupe: _}}
ann sends {"type":"feature_negotiation_request","optional":["max_payload"]}
ann sees feature_negotiation_response {missing_required: [], supported: {!max_payload}}
ann sends {"type":"feature_negotiation_request","require":["max_payload"]}
ann sees feature_negotiation_response {missing_required: [max_payload], supported: {!max_payload}}
ann sees error {code: feature_param_below_floor}
ann sees close 4012 {kind: feature_param_below_floor, feature: max_payload,
  detail: "inline_bytes is 1023, not 1024 or more"}
