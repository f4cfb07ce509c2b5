story: while too much waits for the store, questions wait outside
covers: mesh protocol 1.7; f_dos_03
limits staged_max=16

mesh garden with ann, bob
ann connects
store delays 300ms
ann sends 16 times {"type":"send","id":"c$n","targetSpec":"$bob.key","nonce":"","ciphertext":"YQ=="}
wait 100ms
ann asks /v1/mentions -> 503 with retry-after=2 {error: busy}
store heals
ann sees 16 times ack {queued: true}
ann asks /v1/mentions -> 200 {mentions: []}
