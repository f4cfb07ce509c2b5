story: a reason is cut to 123 bytes between two characters, and stands whole in the error before it
covers: mesh protocol 2.5; mesh protocol 7.2
let begin = "{\"kind\":\"feature_unavailable\",\"feature\":\""
let even = "ü"*60
let odd = "x" "ü"*60
let detail = "\",\"detail\":\"the broker does not do this\"}"

mesh garden with ann
ann connects
ann sends {"type":"feature_negotiation_request","require":["$even"]}
ann sees feature_negotiation_response {missing_required: [$even]}
ann sees error {code: feature_unavailable, message: "$begin$even$detail"}
ann sees close 4010 "$begin" "ü"*41
ann sees end

# 40 bytes of what must be said, one of the name, and no half of a letter.
ann#2 connects
ann#2 sends {"type":"feature_negotiation_request","require":["$odd"]}
ann#2 sees feature_negotiation_response {missing_required: [$odd]}
ann#2 sees error {message: "$begin$odd$detail"}
ann#2 sees close 4010 "$begin" "x" "ü"*40
