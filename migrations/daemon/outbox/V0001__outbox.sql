-- What programs of a host want sent. `seq` is the order of acceptance; it is never used twice.
CREATE TABLE outbox (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    client_message_id TEXT NOT NULL UNIQUE,
    request_fingerprint BLOB NOT NULL CHECK (length(request_fingerprint) = 32),
    mesh TEXT NOT NULL,
    sender_session_pubkey TEXT,
    target_spec TEXT NOT NULL,
    priority INTEGER NOT NULL,
    nonce TEXT NOT NULL,
    -- Empty once nobody sends it again.
    ciphertext TEXT NOT NULL,
    reply_to_id TEXT,
    payload_bytes INTEGER NOT NULL,
    enqueued_at INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    refusals INTEGER NOT NULL DEFAULT 0,
    status TEXT NOT NULL CHECK (status IN ('pending', 'inflight', 'done', 'dead', 'aborted')),
    last_error TEXT,
    delivered_at INTEGER,
    broker_message_id TEXT,
    aborted_at INTEGER,
    aborted_by TEXT,
    superseded_by TEXT,
    -- How many mailboxes a broker put it into, and how many of them had a connection then.
    recipients INTEGER,
    online INTEGER
) STRICT;

-- What waits, lane by lane.
CREATE INDEX outbox_waiting ON outbox (mesh, sender_session_pubkey, seq) WHERE status = 'pending';
CREATE INDEX outbox_inflight ON outbox (seq) WHERE status = 'inflight';
CREATE INDEX outbox_status ON outbox (status, seq);
-- What has ended, by its age.
CREATE INDEX outbox_ended ON outbox (enqueued_at) WHERE status IN ('done', 'dead');

-- Sessions of programs, by the hash of their tokens. What is secret of one is sealed with its member's key.
CREATE TABLE session (
    token BLOB PRIMARY KEY CHECK (length(token) = 32),
    about TEXT NOT NULL
) STRICT, WITHOUT ROWID;
