story: mail of a removed member ends as dead even if the broker crashes in the middle of the removal
covers: mesh protocol 1.6; mesh protocol 3.10; f_del_05
memory-only: the crash has to come between two steps of the removal

mesh garden with ann, bob
ann connects
ann tells bob "one" as c1
ann sees ack {queued: true, messageId: $m}
store delays 200ms
admin dials
admin sends bytes "DELETE /admin/meshes/garden/members/bob HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer $admin\r\n\r\n"
admin sees bytes "HTTP/1.1 200"
broker crashes
store heals
ann connects
wait 1s
ann sends {"type":"message_status","messageId":"$m","_reqId":"r1"}
ann sees message_status_result {delivered: false, recipients: [{name: bob, status: dead}]}
