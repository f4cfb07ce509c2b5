story: a page of another site opens no socket unless its origin is listed, letter by letter
covers: mesh protocol 1.2; f_hsk_05
config allowed_origins="https://ok.example, http://localhost:3000"

mesh garden with ann
ann opens with origin="https://evil.example" -> 403
ann#2 opens with origin="https://ok.example:8443" -> 403
ann#3 opens with origin="http://ok.example" -> 403
ann#4 opens with origin="https://ok.example.evil" -> 403
ann#5 opens with origin="null" -> 403
ann#6 opens with origin="https://ok.example"
ann#6 connects
ann#7 opens with origin="http://localhost:3000"
metric peermesh_rejected_total{reason="foreign_origin"} 5
metric broker_connections_total 2
