story: the metrics page speaks the format it was asked for
covers: mesh protocol 1.4

mesh garden with ann
ann connects
http GET /metrics -> 200 with content-type="text/plain; version=0.0.4" "broker_connections_total 1"
http GET /metrics with accept="text/plain" -> 200 with content-type="text/plain; version=0.0.4"
  "broker_db_healthy"
http GET /metrics with accept="application/openmetrics-text; version=1.0.0,text/plain;q=0.5" -> 200
  with content-type="application/openmetrics-text; version=1.0.0; charset=utf-8" "broker_connections_active"
metric broker_connections_active 1
metric broker_legacy_auth_hits_total 0
metric broker_messages_routed_total{priority="stream"} 0
metric broker_messages_dropped_by_grant_total{cap="dm"} 0
metric broker_db_healthy 1
ann closes
metric broker_connections_active 0
metric broker_connections_total 1
