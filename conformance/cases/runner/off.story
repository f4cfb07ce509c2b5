story: an operator who asks for runners where none are served is told how they would be
covers: runner protocol 5.4

http GET /admin/runners with authorization="Bearer $admin" -> 404 {error: runners_off, message:
  ~"RUNNER_SHARED_SECRET"}
http GET /admin/runners/r1/dead with authorization="Bearer $admin" -> 404 {error: runners_off}
