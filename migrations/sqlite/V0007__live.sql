-- What is kept of live topics (live protocol): publications within bounds, the latest value of every entity, keys of
-- idempotency, whose rights were taken back. Offsets have no gaps. Bodies are JSON as it came.

CREATE TABLE live_topic (
    n      INTEGER PRIMARY KEY,
    id     TEXT NOT NULL UNIQUE,
    life   INTEGER, -- which life of the process serves it; NULL when none does
    epoch  INTEGER NOT NULL,
    stream TEXT NOT NULL, -- what its offsets are called; another word means that something may be missing
    top    INTEGER NOT NULL, -- the last offset that was given out
    place  INTEGER NOT NULL, -- the last write that was given one
    fed    INTEGER NOT NULL  -- the last row of the feed among its publications
) STRICT;

CREATE TABLE live_publication (
    topic   INTEGER NOT NULL,
    at_offset INTEGER NOT NULL,
    place   INTEGER NOT NULL, -- which write made it
    key     TEXT,
    version INTEGER,
    at      INTEGER NOT NULL,
    late    INTEGER NOT NULL,
    gone    INTEGER NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (topic, at_offset)
) STRICT, WITHOUT ROWID;

-- The latest value of every entity, or its removal.
CREATE TABLE live_entity (
    topic   INTEGER NOT NULL,
    key     TEXT NOT NULL,
    at_offset INTEGER NOT NULL,
    version INTEGER,
    at      INTEGER NOT NULL,
    gone    INTEGER NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (topic, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX live_entity_gone ON live_entity (at, topic, key) WHERE gone = 1;

CREATE TABLE live_key (
    topic       INTEGER NOT NULL,
    key         BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    at_offset   INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (topic, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX live_key_by_age ON live_key (at, topic, key);

CREATE TABLE live_revoked (
    user   TEXT PRIMARY KEY,
    at     INTEGER NOT NULL,
    change INTEGER NOT NULL -- its place in the order in which they were written last
) STRICT, WITHOUT ROWID;

CREATE INDEX live_revoked_by_change ON live_revoked (change);
