story: a member that is removed while its hello is being recorded does not come in
covers: mesh protocol 2.3 row 6a; f_aut_07

mesh garden with ann, bob
bob connects
store delays 200ms
op dials
op sends bytes "DELETE /admin/meshes/garden/members/ann HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer $admin\r\n\r\n"
wait 300ms
ann greets
op sees bytes "HTTP/1.1 200"
ann sees error {code: revoked}
ann sees close 4002 banned
store heals
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}]}
metric broker_connections_active 1
