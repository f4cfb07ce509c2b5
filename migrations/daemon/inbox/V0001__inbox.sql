-- What came for a host. A message is there once for each of its recipients, whatever it is sent again.
CREATE TABLE inbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client_message_id TEXT NOT NULL,
    broker_message_id TEXT,
    mesh TEXT NOT NULL,
    topic TEXT,
    reply_to_id TEXT,
    sender_pubkey TEXT NOT NULL,
    sender_member_pubkey TEXT,
    sender_name TEXT NOT NULL,
    priority INTEGER NOT NULL,
    -- NULL: it could not be opened.
    body TEXT,
    sealed INTEGER NOT NULL,
    created_at TEXT,
    received_at INTEGER NOT NULL,
    seen_at INTEGER,
    recipient_pubkey TEXT NOT NULL,
    recipient_kind TEXT NOT NULL CHECK (recipient_kind IN ('member', 'session')),
    UNIQUE (mesh, recipient_pubkey, sender_pubkey, client_message_id)
) STRICT;

CREATE INDEX inbox_received ON inbox (received_at);
CREATE INDEX inbox_recipient ON inbox (recipient_pubkey, received_at);
