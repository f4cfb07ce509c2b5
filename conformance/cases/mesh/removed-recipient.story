story: mail that is accepted while its recipient is being removed ends as dead
covers: mesh protocol 1.6; mesh protocol 3.10; f_del_05
memory-only: the send has to meet the removal half done

mesh garden with ann, bob
ann connects
store delays 200ms
admin dials
admin sends bytes "DELETE /admin/meshes/garden/members/bob HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer $admin\r\n\r\n"
wait 250ms
ann tells bob "goodbye"
admin sees bytes "HTTP/1.1 200"
ann sees ack {queued: true, messageId: $m}
store heals
wait 1s
ann sends {"type":"message_status","messageId":"$m","_reqId":"r1"}
ann sees message_status_result {delivered: false, deliveredAt: null, recipients: [{name: bob, status: dead}]}
ann tells bob "are you there?"
ann sees ack {queued: false, error: ~"invalid: target_not_found"}
