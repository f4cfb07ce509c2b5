story: a request for features that is none, or asks for too much at once, is refused and ends nothing
covers: mesh protocol 2.5; mesh protocol 3.1
limits negotiated_features_max=3 name_bytes_max=32

mesh garden with ann
ann connects
ann sends {"type":"feature_negotiation_request","_reqId":"q1","require":"key_epoch"}
ann sees error {code: bad_request, _reqId: q1}
ann sends {"type":"feature_negotiation_request","_reqId":"q2","require":[7]}
ann sees error {code: bad_request, _reqId: q2, message: ~"the name of a feature, or {feature, params}"}
ann sends {"type":"feature_negotiation_request","_reqId":"q3","require":[{"params":{}}]}
ann sees error {code: bad_request, _reqId: q3, message: ~"feature"}
ann sends {"type":"feature_negotiation_request","_reqId":"q4","optional":[{"feature":"x","params":[1]}]}
ann sees error {code: bad_request, _reqId: q4}
ann sends {"type":"feature_negotiation_request","_reqId":"q5","require":["a"],"optional":["b","c","d"]}
ann sees error {code: invalid_argument, _reqId: q5, message: "too many features at once"}
ann sends {"type":"feature_negotiation_request","_reqId":"q6","optional":["a name of thirty-three letters !!"]}
ann sees error {code: invalid_argument, _reqId: q6, message: "the name of a feature is too long"}
ann sends {"type":"feature_negotiation_request","_reqId":"q7","optional":["a name of thirty-two letters !!!","b","c"]}
ann sees feature_negotiation_response {_reqId: q7, missing_required: []}
