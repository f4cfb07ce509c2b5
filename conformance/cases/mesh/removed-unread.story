story: mail of a removed member that could not be read at once ends as dead when the store is back
covers: mesh protocol 1.6; mesh protocol 3.10; f_del_05
memory-only: the store has to fail between two steps of the removal
limits health_ms=500
error: db ping failed

mesh garden with ann, bob
ann connects
ann tells bob "one" as c1
ann sees ack {queued: true, messageId: $m}
store delays 200ms
admin dials
admin sends bytes "DELETE /admin/meshes/garden/members/bob HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer $admin\r\n\r\n"
admin sees bytes "HTTP/1.1 200"
store fails unavailable
wait 300ms
store heals
wait 2s
ann sends {"type":"message_status","messageId":"$m","_reqId":"r1"}
ann sees message_status_result {delivered: false, recipients: [{name: bob, status: dead}]}
