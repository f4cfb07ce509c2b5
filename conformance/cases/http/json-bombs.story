story: bombs of JSON in the body of a request are refused like any nonsense, and the broker goes on
covers: mesh protocol 1.3; mesh protocol 1.5; mesh protocol 1.6; runner protocol 3.1; f_jsn_01
config runner_secrets=the-secret-of-runners

http POST /join "["*60000 -> 400 {ok: false}
http POST /join "{\"invite_payload\":"*3000 -> 400 {ok: false}
http POST /join "{\"a\":[" "0,"*30000 "0]}" -> 400 {ok: false}
http POST /hook/set-status "["*60000 -> 500 {ok: false}
http POST /hook/set-status "{\"cwd\":"*6000 "1" "}"*6000 -> 500 {ok: false}
http POST /admin/meshes with authorization="Bearer $admin" "{\"name\":"*6000 -> 400 {error: bad_request}
http POST /admin/meshes with authorization="Bearer $admin" "[" "[],"*20000 "[]]" -> 400 {error: bad_request}
runners POST /commands "{\"command\":" "["*60000 -> 400
runners POST /commands "["*60000 "]"*60000 -> 400
http GET /health -> 200 {status: ok}
