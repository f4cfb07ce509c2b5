story: a hook finds its presence on whatever shard, and waits on all of them when there is none
covers: mesh protocol 1.3; defect 15; f_aut_10
shards 2

mesh garden with ann, eve
mesh orchard with bob
mesh meadow with carl
ann greets with pid=1 cwd=/shared
ann sees hello_ack {presenceId: $a}
bob greets with pid=2 cwd=/shared
bob sees hello_ack {presenceId: $b}
carl greets with pid=3 cwd=/alone
carl sees hello_ack {presenceId: $c}
http POST /hook/set-status {"cwd":"/shared","pid":1,"status":"working"} -> 200 with
  access-control-allow-origin="*"
  {ok: true, presence_id: $a}
http POST /hook/set-status {"cwd":"/shared","pid":2,"status":"dnd"} -> 200 {ok: true, presence_id: $b}
http POST /hook/set-status {"cwd":"/alone","status":"working"} -> 200 {ok: true, presence_id: $c}
http POST /hook/set-status {"cwd":"/shared","status":"idle"} -> 200 {ok: true, pending: true}
ann sends {"type":"list_peers"}
ann sees peers_list {peers: [{status: working}]}
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{status: dnd}]}
carl sends {"type":"list_peers"}
carl sees peers_list {peers: [{status: working}]}
http POST /hook/set-status {"cwd":"/next","pid":9,"status":"working"} -> 200 {ok: true, pending: true}
eve connects with pid=9 cwd=/next
eve sends {"type":"list_peers"}
eve sees peers_list {peers: [{displayName: ann}, {displayName: eve, status: working}]}
http POST /hook/set-status {"cwd":"/far","pid":9,"status":"working"} -> 200 {ok: true, pending: true}
bob.s1 connects with pid=9 cwd=/far
bob sends {"type":"list_peers"}
bob sees peers_list {peers: [{displayName: bob}, {displayName: bob-s1, status: working}]}
http POST /hook/set-status {"cwd":"/farther","pid":9,"status":"working"} -> 200 {ok: true, pending: true}
carl.s1 connects with pid=9 cwd=/farther
carl sends {"type":"list_peers"}
carl sees peers_list {peers: [{displayName: carl}, {displayName: carl-s1, status: working}]}
