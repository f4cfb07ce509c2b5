story: whoever may not join is told the first thing that is wrong, in one order
covers: mesh protocol 1.5; f_aut_06
let key = "a"*64

mesh garden with ann
mesh orchard
http POST /admin/meshes/garden/invites with authorization="Bearer $admin" {"uses":1} -> 201 {invite_token:
  $token,
  invite_payload: {v: 1, mesh_id: $garden.id, mesh_slug: garden, broker_url: "ws://broker.test/ws",
  expires_at: $end,
  mesh_root_key: $root, role: member, owner_pubkey: $owner, signature: $good}}
http POST /admin/meshes/orchard/invites with authorization="Bearer $admin" {} -> 201 {invite_token: $other}
let missing = "invite_token, invite_payload, peer_pubkey, display_name required"
http POST /join "no JSON" -> 400 with content-type="application/json" {ok: false, error: $missing}
http POST /join {} -> 400 {ok: false, error: $missing}
http POST /join {"invite_token":"x","invite_payload":"y","peer_pubkey":"$key","display_name":"z"} -> 400
  {error: $missing}
http POST /join {"invite_token":"x","invite_payload":{},"peer_pubkey":"$key","display_name":""} -> 400 {error:
  $missing}
http POST /join {"invite_token":"x","invite_payload":{},"peer_pubkey":"abc","display_name":"z"} -> 400
  {ok: false, error: "peer_pubkey must be 64 hex chars (32 bytes)"}
http POST /join {"invite_token":"x","invite_payload":{},"peer_pubkey":"$key","display_name":"z"} -> 400
  {ok: false, error: invite_bad_signature}
# A word changed, and the signature does not hold.
http POST /join {"invite_token":"$token","peer_pubkey":"$key","display_name":"z","invite_payload":{"v":1,
  "mesh_id":"$garden.id","mesh_slug":"garden","broker_url":"ws://broker.test/ws","expires_at":$end,
  "mesh_root_key":"$root",
  "role":"admin","owner_pubkey":"$owner","signature":"$good"}} -> 400 {ok: false, error: invite_bad_signature}
# Signed well, for a mesh that is not there.
let forged = "1|nowhere|garden|u|$end|$root|member|$eve.key" signed by eve
http POST /join {"invite_token":"$token","peer_pubkey":"$key","display_name":"z","invite_payload":{"v":1,
  "mesh_id":"nowhere","mesh_slug":"garden","broker_url":"u","expires_at":$end,"mesh_root_key":"$root",
  "role":"member","owner_pubkey":"$eve.key","signature":"$forged"}} -> 400 {ok: false, error: mesh_not_found}
# Signed well, but not by this mesh's owner.
let forged2 = "1|$garden.id|garden|u|$end|$root|admin|$eve.key" signed by eve
http POST /join {"invite_token":"$token","peer_pubkey":"$key","display_name":"z","invite_payload":{"v":1,
  "mesh_id":"$garden.id","mesh_slug":"garden","broker_url":"u","expires_at":$end,"mesh_root_key":"$root",
  "role":"admin","owner_pubkey":"$eve.key","signature":"$forged2"}} -> 400 {ok: false, error:
  invite_owner_mismatch}
# The payload is good, the token is not, or is another mesh's.
http POST /join {"invite_token":"guessed","peer_pubkey":"$key","display_name":"z","invite_payload":{"v":1,
  "mesh_id":"$garden.id","mesh_slug":"garden","broker_url":"ws://broker.test/ws","expires_at":$end,
  "mesh_root_key":"$root",
  "role":"member","owner_pubkey":"$owner","signature":"$good"}} -> 400 {ok: false, error: invite_not_found}
http POST /join {"invite_token":"$other","peer_pubkey":"$key","display_name":"z","invite_payload":{"v":1,
  "mesh_id":"$garden.id","mesh_slug":"garden","broker_url":"ws://broker.test/ws","expires_at":$end,
  "mesh_root_key":"$root",
  "role":"member","owner_pubkey":"$owner","signature":"$good"}} -> 400 {ok: false, error:
  invite_mesh_mismatch}
log "join" {level: info, route: /join, ok: false, error: invite_not_found, pubkey: _, latency_ms: _}
# None of that spent anything.
http POST /join {"invite_token":"$token","peer_pubkey":"$eve.key","display_name":"eve",
  "invite_payload":{"v":1,
  "mesh_id":"$garden.id","mesh_slug":"garden","broker_url":"ws://broker.test/ws","expires_at":$end,
  "mesh_root_key":"$root",
  "role":"member","owner_pubkey":"$owner","signature":"$good"}} -> 200 {ok: true, memberId: _, !alreadyMember}
log "join" {ok: true, pubkey: _}
eve connects
