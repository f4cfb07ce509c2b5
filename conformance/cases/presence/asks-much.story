story: who asks for the list two thousand times at once is answered every time
covers: mesh protocol 3.6; mesh protocol 7.1; f_dos_04; f_net_03

mesh garden with ann, bob
bob connects
ann connects
ann sends bytes "\x81\x95\0\0\0\0{\"type\":\"list_peers\"}"*2000
ann sees 2000 times peers_list {peers: [{displayName: bob}, {displayName: ann}]}
bob tells ann "still there?"
bob sees ack {queued: true}
ann hears "still there?"
