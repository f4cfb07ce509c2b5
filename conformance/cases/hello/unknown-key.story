story: a key that is no member of the mesh is refused in the same words as a mesh that does not exist
covers: mesh protocol 2.3 row 6b; f_aut_06; f_aut_08

mesh garden with ann
mesh orchard with bob
eve greets
eve sees error {code: unauthorized, message: "pubkey not found in mesh", !id, !_reqId}
eve sees close 1008 unauthorized
eve sees end
ann greets with meshId="nowhere"
ann sees error {code: unauthorized, message: "pubkey not found in mesh"}
ann sees close 1008 unauthorized
# A member elsewhere is nobody here.
bob greets with meshId=$garden.id
bob sees error {code: unauthorized, message: "pubkey not found in mesh"}
bob sees close 1008 unauthorized
# Who may not come in is looked up after the signature.
eve greets with signer=ann
eve sees error {code: bad_signature}
eve sees close 1008 bad_signature
metric broker_connections_rejected_total{reason="unauthorized"} 3
log "hello rejected" {level: warn, reason: unauthorized, mesh_id: nowhere}

# The member id is signed, not compared.
ann connects with memberId=somebody
