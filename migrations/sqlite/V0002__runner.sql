-- What is kept for runners (runner protocol). Places (`seq`) grow with every event and command of a runner and are
-- never used twice; what belongs to one runner lies together.

CREATE TABLE runner (
    n     INTEGER PRIMARY KEY,
    id    TEXT NOT NULL UNIQUE,
    life  INTEGER, -- which life of the process serves it; NULL when none does
    epoch INTEGER NOT NULL
) STRICT;

-- Events that the target has not taken.
CREATE TABLE runner_event (
    runner       INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    id           TEXT, -- what the runner calls it
    kind         TEXT NOT NULL,
    at           INTEGER NOT NULL,
    sent         INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    failed_since INTEGER,
    bytes        INTEGER NOT NULL,
    body         TEXT NOT NULL,
    PRIMARY KEY (runner, seq)
) STRICT, WITHOUT ROWID;

-- Ids of events that were accepted, taken or not; of those without one, names made of their places.
CREATE TABLE runner_seen (
    runner INTEGER NOT NULL,
    id     TEXT NOT NULL,
    seq    INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    PRIMARY KEY (runner, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX runner_seen_by_age ON runner_seen (at);

-- Events that are not sent any more.
CREATE TABLE runner_dead (
    runner       INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    id           TEXT,
    kind         TEXT NOT NULL,
    at           INTEGER NOT NULL,
    sent         INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    failed_since INTEGER,
    bytes        INTEGER NOT NULL,
    died         INTEGER NOT NULL,
    why          TEXT NOT NULL,
    status       INTEGER, -- what the target answered last
    body         TEXT NOT NULL,
    PRIMARY KEY (runner, seq)
) STRICT, WITHOUT ROWID;

CREATE INDEX runner_dead_by_age ON runner_dead (died);

-- Commands that wait for a runner that is away.
CREATE TABLE runner_command (
    runner  INTEGER NOT NULL,
    seq     INTEGER NOT NULL,
    id      TEXT NOT NULL,
    expires INTEGER NOT NULL,
    body    TEXT NOT NULL,
    PRIMARY KEY (runner, seq)
) STRICT, WITHOUT ROWID;

-- Keys of idempotency, and what their callers were told.
CREATE TABLE runner_key (
    runner      INTEGER NOT NULL,
    key         BLOB NOT NULL,
    fingerprint BLOB NOT NULL,
    command     TEXT NOT NULL,
    at          INTEGER NOT NULL,
    status      INTEGER, -- NULL while nobody knows
    answer      TEXT,
    PRIMARY KEY (runner, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX runner_key_by_age ON runner_key (at);
