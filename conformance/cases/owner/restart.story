story: a broker that died and is back serves its meshes at once, and the presences of its earlier life have ended
covers: mesh protocol 6.4; f_acc_05; f_clu_06

mesh garden with ann, bob
ann connects
bob connects
ann tells bob "before" as c1
bob hears "before"
broker crashes
bob connects
bob hears "before"
bob acks
ann connects
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: ann}]}
