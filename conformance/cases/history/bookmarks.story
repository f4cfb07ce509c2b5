story: a page of a list that was read under a lost history has no next page
covers: mesh protocol 1.6; runner protocol 5.4; f_sto_14
config runner_secrets=the-secret-of-runners

mesh garden with ann
store is copied
ann greets
ann sees hello_ack {historyEpoch: $before}
http GET /admin/meshes?after=$before:0 with authorization="Bearer $admin" -> 200 {meshes: [{name: garden}]}
http GET /admin/runners?after=$before:0 with authorization="Bearer $admin" -> 200 {runners: []}
store is restored
ann connects
http GET /admin/meshes?after=$before:0 with authorization="Bearer $admin" -> 410 {error: history_gap}
http GET /admin/runners?after=$before:0 with authorization="Bearer $admin" -> 410 {error: history_gap}
http GET /admin/runners/r1/events?after=$before:7 with authorization="Bearer $admin" -> 410 {error: history_gap}
http GET /admin/runners/r1/dead?after=$before:7 with authorization="Bearer $admin" -> 410 {error: history_gap}
http GET /admin/meshes?after=0 with authorization="Bearer $admin" -> 200 {meshes: [{name: garden}]}
