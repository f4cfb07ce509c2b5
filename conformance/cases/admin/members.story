story: an operator sees who belongs to a mesh, and removes one by name, key or id
covers: mesh protocol 1.6; mesh protocol 2.3 row 6a; f_del_05; f_aut_07

mesh garden with ann, bob (admin), carl, dora
ann connects
bob connects
ann.s1 connects
http GET /admin/meshes/garden with authorization="Bearer $admin" -> 200 {members: 4, online: 3}
http GET /admin/meshes/garden/members with authorization="Bearer $admin" -> 200 {members: [
  {name: ann, member_id: $ann.member, pubkey: $ann.key, role: member, online: true, joined_at: ~"Z",
  revoked_at: null},
  {name: bob, role: admin, online: true}, {name: carl, online: false}, {name: dora}]}
http DELETE /admin/meshes/garden/members/$carl.key with authorization="Bearer $admin" -> 200 {removed:
  $carl.member, name: carl}
http DELETE /admin/meshes/garden/members/$dora.member with authorization="Bearer $admin" -> 200 {removed:
  $dora.member}
http DELETE /admin/meshes/garden/members/ann with authorization="Bearer $admin" -> 200 {removed: $ann.member,
  name: ann}
ann sees close 4002 banned
ann.s1 sees close 4002 banned
http GET /admin/meshes/garden with authorization="Bearer $admin" -> 200 {members: 1, online: 1}
http GET /admin/meshes/garden/members with authorization="Bearer $admin" -> 200 {members: [
  {name: ann, online: false, revoked_at: ~"Z"}, {name: bob, revoked_at: null}, {name: carl, revoked_at: ~"Z"},
  {name: dora}]}
bob sends {"type":"list_peers","all":true}
bob sees peers_list {peers: [{displayName: bob}]}
bob tells ann "are you there?"
bob sees ack {queued: false, error: ~"invalid: target_not_found"}
