story: a broker that stops answers no more questions, and says that another time is better
covers: mesh protocol 1.7; mesh protocol 9.1; f_lif_01
memory-only: the signature is made for a moment that is known before

mesh garden with ann, bob
let signature = "peermesh-http|GET|/v1/mentions|$garden.id|$ann.member|$ann.key|1700000000000" signed by ann
ann connects
one dials
store delays 300ms
ann tells bob "late" as c1
wait 50ms
broker drains
one sends bytes "GET /v1/mentions HTTP/1.1\r\nHost: x\r\n"
  "Authorization: Peermesh $garden.id|$ann.member|$ann.key|1700000000000|$signature\r\n\r\n"
one sees bytes "HTTP/1.1 503"
ann sees ack {id: c1, queued: true}
