story: nobody negotiates before a hello
covers: mesh protocol 2; mesh protocol 2.5

mesh garden with ann
ann opens
ann sends {"type":"feature_negotiation_request","require":["key_epoch"]}
ann sees error {code: no_hello, message: "must send hello first"}
ann connects
ann sends {"type":"feature_negotiation_request"}
ann sees feature_negotiation_response {missing_required: []}
