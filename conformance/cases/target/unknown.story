story: whoever is unknown, removed, in another mesh or no peer at all is refused with one and the same answer
covers: mesh protocol 3.2; mesh protocol 4.1; f_del_05; f_aut_06; f_iso_01

mesh garden with ann, bob
mesh desert with dan
ann connects
dan connects
ann tells $stranger.key "x" as c1
ann sees ack {id: c1, queued: false, messageId: "", error: $no}
ann tells dan "x" as c2
ann sees ack {id: c2, queued: false, error: $no}
ann tells bob.never "x" as c3
ann sees ack {id: c3, queued: false, error: $no}
ann tells bob-by-name "x" as c4 with targetSpec=bob
ann sees ack {id: c4, queued: false, error: $no}
ann tells tag "x" as c5 with targetSpec="tag:x"
ann sees ack {id: c5, queued: false, error: $no}
http DELETE /admin/meshes/garden/members/$bob.member with authorization="Bearer $admin" -> 200
ann tells bob "x" as c6
ann sees ack {id: c6, queued: false, error: $no}
dan sees nothing
metric broker_messages_rejected_total{reason="no_recipient"} 6
