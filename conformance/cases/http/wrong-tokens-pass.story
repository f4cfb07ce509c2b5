story: an address that showed wrong tokens may try again after a minute, and others need not wait
covers: f_aut_01
limits token_failures_per_minute_max=1
memory-only: a minute passes, and addresses differ
config trusted_proxies=127.0.0.1

http GET /admin/meshes with x-forwarded-for=10.0.0.1 -> 401
http GET /admin/meshes with x-forwarded-for=10.0.0.1 authorization="Bearer $admin" -> 429
http GET /admin/meshes with x-forwarded-for=10.0.0.2 authorization="Bearer $admin" -> 200
wait 61s
http GET /admin/meshes with x-forwarded-for=10.0.0.1 authorization="Bearer $admin" -> 200
