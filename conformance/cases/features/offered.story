story: hello_ack says what the broker does, whatever kind of hello it was, and knows no features of brokers it is not
covers: mesh protocol 2.4; mesh protocol 2.5; f_clu_07

mesh garden with ann, bob, cat
ann greets
ann sees hello_ack {features: {client_message_id_dedupe: {params: {version: 1, mode: retention_scoped,
  dedupe_retention_days: $days, request_fingerprint: true, !fingerprint_layouts}},
  concurrent_connection_policy: {params: {version: 1, default_policy: allow_concurrent}},
  max_payload: {params: {version: 1, inline_bytes: 65536, blob_bytes: 65536}},
  member_keypair_rotated_event: {params: {version: 1}}, !key_epoch}}
ann.s1 greets
ann.s1 sees hello_ack {features: {client_message_id_dedupe: {params: {version: 1, dedupe_retention_days: $days}},
  concurrent_connection_policy: _, max_payload: _}}
bob greets with capabilities=["send_only"]
bob sees hello_ack {features: {client_message_id_dedupe: _, concurrent_connection_policy: _, max_payload: _}}

# Who comes back is told again. Words that mean nothing here change nothing.
ann#2 greets with capabilities=["made_up@7","max_payload@2","client_message_id_dedupe@3"]
ann#2 sees hello_ack {features: {client_message_id_dedupe: {params: {version: 1, !fingerprint_layouts}},
  max_payload: {params: {version: 1}}}}

# Who never asks is never asked.
cat.s1 connects legacy
cat.s1 tells ann "as ever" as c1
cat.s1 sees ack {id: c1, queued: true, !error}
ann#2 hears "as ever"
ann#2 acks
