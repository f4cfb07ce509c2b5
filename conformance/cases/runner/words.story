story: every command and every event passes as it came, known or not, and a runner that says a command is not heard
covers: runner protocol 3.1; runner protocol 4.1; runner protocol 4.2

config runner_secrets=the-secret-of-runners

r1 runs as r1
runners POST /commands {"runnerId": "r1", "command": {"type": "start-build", "id": "c1", "projectId": "p", "timestamp": "2026-01-02T03:04:05.678Z",
    "payload": {"prompt": "a shop", "operationType": "initial-build", "projectSlug": "shop", "tags": [{"key": "model"}]}}} -> 200
r1 sees start-build {id: c1, projectId: p, timestamp: "2026-01-02T03:04:05.678Z",
    payload: {prompt: "a shop", operationType: initial-build, projectSlug: shop, tags: [{key: model}]}}
runners POST /commands {"runnerId": "r1", "command": {"type": "start-dev-server", "payload": {"runCommand": "pnpm dev", "env": {"A": "1"}}}} -> 200
r1 sees start-dev-server {payload: {runCommand: "pnpm dev", env: {A: "1"}}}
runners POST /commands {"runnerId": "r1", "command": {"type": "stop-dev-server"}} -> 200
r1 sees stop-dev-server {!payload}
runners POST /commands {"runnerId": "r1", "command": {"type": "start-tunnel", "payload": {"port": 3101}}} -> 200
r1 sees start-tunnel {payload: {port: 3101}}
runners POST /commands {"runnerId": "r1", "command": {"type": "stop-tunnel", "data": {"port": 3101}}} -> 200
r1 sees stop-tunnel {data: {port: 3101}}
runners POST /commands {"runnerId": "r1", "command": {"type": "fetch-logs", "payload": {"cursor": "x", "limit": 5}}} -> 200
r1 sees fetch-logs {payload: {cursor: x, limit: 5}}
runners POST /commands {"runnerId": "r1", "command": {"type": "runner-health-check"}} -> 200
r1 sees runner-health-check
runners POST /commands {"runnerId": "r1", "command": {"type": "delete-project-files", "payload": {"slug": "shop"}}} -> 200
r1 sees delete-project-files {payload: {slug: shop}}
runners POST /commands {"runnerId": "r1", "command": {"type": "read-file", "payload": {"slug": "shop", "filePath": "a/b"}}} -> 200
r1 sees read-file {payload: {slug: shop, filePath: "a/b"}}
runners POST /commands {"runnerId": "r1", "command": {"type": "write-file", "payload": {"content": "\u0000\ud83e\udd80"}}} -> 200
r1 sees write-file
runners POST /commands {"runnerId": "r1", "command": {"type": "list-files", "payload": {"slug": "shop"}}} -> 200
r1 sees list-files {payload: {slug: shop}}
runners POST /commands {"runnerId": "r1", "command": {"type": "of-a-later-version", "deep": {"er": [1, null]}}} -> 200
r1 sees of-a-later-version {deep: {er: [1, null]}}

# Said by a runner, none of these is an event.
r1 sends {"type": "start-build", "id": "x"}
r1 sends {"type": "start-dev-server", "id": "x"}
r1 sends {"type": "stop-dev-server", "id": "x"}
r1 sends {"type": "start-tunnel", "id": "x"}
r1 sends {"type": "stop-tunnel", "id": "x"}
r1 sends {"type": "fetch-logs", "id": "x"}
r1 sends {"type": "runner-health-check", "id": "x"}
r1 sends {"type": "delete-project-files", "id": "x"}
r1 sends {"type": "read-file", "id": "x"}
r1 sends {"type": "write-file", "id": "x"}
r1 sends {"type": "list-files", "id": "x"}

r1 sends {"type": "ack", "commandId": "c1", "message": "Command start-build accepted"}
target sees with x-event-attempt=1 {type: ack, commandId: c1, message: "Command start-build accepted"}
r1 sends {"type": "log-chunk", "stream": "stderr", "data": "x\n", "cursor": "8d1f6a52"}
target sees {type: log-chunk, stream: stderr, data: "x\n", cursor: 8d1f6a52}
r1 sends {"type": "port-detected", "port": 3101, "framework": "next"}
target sees {type: port-detected, port: 3101, framework: next}
r1 sends {"type": "port-conflict", "port": 3101}
target sees {type: port-conflict}
r1 sends {"type": "tunnel-created", "port": 3101, "tunnelUrl": "https://x.example"}
target sees {type: tunnel-created, tunnelUrl: "https://x.example"}
r1 sends {"type": "tunnel-closed", "port": 3101}
target sees {type: tunnel-closed}
r1 sends {"type": "process-exited", "exitCode": null, "signal": "SIGTERM", "durationMs": null}
target sees {type: process-exited, exitCode: null, signal: SIGTERM, durationMs: null}
r1 sends {"type": "build-progress", "payload": {"stage": "planning", "message": "x"}}
target sees {type: build-progress, payload: {stage: planning}}
r1 sends {"type": "build-completed", "payload": {"todos": [{"id": "1", "status": "completed"}]}}
target sees {type: build-completed, payload: {todos: [{id: "1", status: completed}]}}
r1 sends {"type": "build-failed", "error": "x", "stack": "y"}
target sees {type: build-failed, error: x, stack: y}
r1 sends {"type": "build-stream", "data": "x"}
target sees {type: build-stream, data: x}
r1 sends {"type": "project-metadata", "payload": {"path": "/p", "port": 1}}
target sees {type: project-metadata, payload: {path: "/p", port: 1}}
r1 sends {"type": "runner-status", "payload": {"status": "degraded", "uptimeSeconds": 1.5}}
target sees {type: runner-status, payload: {status: degraded, uptimeSeconds: 1.5}}
r1 sends {"type": "files-deleted", "slug": "shop"}
target sees {type: files-deleted, slug: shop}
r1 sends {"type": "file-written", "slug": "shop", "filePath": "a"}
target sees {type: file-written}
r1 sends {"type": "file-content", "content": "x", "size": 1}
target sees {type: file-content, content: x, size: 1}
r1 sends {"type": "file-list", "files": [{"name": "a", "type": "file", "path": "a", "size": 1}]}
target sees {type: file-list, files: [{name: a, type: file, path: a, size: 1}]}
r1 sends {"type": "error", "error": "x"}
target sees {type: error, error: x}
r1 sends {"no": "type"}
target sees {no: type}
target sees nothing
