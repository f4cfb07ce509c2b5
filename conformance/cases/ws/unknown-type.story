story: a type that this broker does not do is answered so, with what names the request
covers: mesh protocol 0; mesh protocol 2.6; defect 21

mesh garden with ann
ann connects
ann sends {"type":"topic_create","name":"x","_reqId":"q1"}
ann sees error {code: not_supported, _reqId: q1, id: q1}
ann sends {"type":"topic_create","name":"x","id":"i1"}
ann sees error {code: not_supported, id: i1, !_reqId}
ann sends {"type":"brand_new"}
ann sees error {code: not_supported, !id, !_reqId}
ann sends {"type":"hello","_reqId":"q2"}
ann sees error {code: bad_request, _reqId: q2}
ann sees nothing
