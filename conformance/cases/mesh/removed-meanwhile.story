story: a member that is removed while its hello is being recorded does not come in
covers: mesh protocol 1.6; mesh protocol 2.3 row 6a; f_aut_07
memory-only: the hello has to meet the removal half done

mesh garden with ann, bob
bob connects
store delays 200ms
admin dials
admin sends bytes "DELETE /admin/meshes/garden/members/ann HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer $admin\r\n\r\n"
wait 250ms
ann greets
admin sees bytes "HTTP/1.1 200"
ann sees error {code: revoked, message: ~"You've been removed from \"garden\""}
ann sees close 4002 banned
bob sees no event peer_joined
store heals
bob sends {"type":"list_peers","_reqId":"r1"}
bob sees peers_list {peers: [{displayName: bob}]}
