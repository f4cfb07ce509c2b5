story: with the default limits an idle connection carries a ping every thirty seconds, sooner than a proxy would cut it
covers: mesh protocol 6.5; f_net_08
long: it waits for two pings, a minute

mesh garden with ann
ann connects
ann ignores pings
ann sees nothing for 29s
ann sees ping
ann sees nothing for 29s
ann sees ping
