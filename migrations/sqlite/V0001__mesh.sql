-- Everything a broker keeps. Two rules shape it: no row that is written for every message has a random key
-- (of `dedupe` many are written at once), and what belongs together lies together (WITHOUT ROWID tables are clustered by their
-- key). Times are Unix milliseconds. Columns that end in _json hold JSON text.

-- The store itself: one row.
CREATE TABLE store (
    one     INTEGER PRIMARY KEY CHECK (one = 1),
    next    INTEGER NOT NULL, -- the first message position that nobody has leased
    secret  BLOB NOT NULL,    -- keys public message ids and the dedupe hash; never changes
    history BLOB NOT NULL,    -- which history this is; another one when an older copy is adopted
    since   INTEGER NOT NULL, -- when that was
    floor   INTEGER NOT NULL, -- earlier histories gave out only positions below this
    numbers INTEGER NOT NULL  -- and numbers of meshes, mailboxes and runners up to this
) STRICT;

INSERT INTO store (one, next, secret, history, since, floor, numbers)
VALUES (1, 1, randomblob(32), randomblob(16), CAST(unixepoch('subsec') * 1000 AS INTEGER), 1, 0);

-- Where each leased block of positions begins. A block is one shard's, so within it messages get older
-- downwards.
CREATE TABLE block (
    first INTEGER PRIMARY KEY
) STRICT;

CREATE TABLE mesh (
    n                   INTEGER PRIMARY KEY,
    id                  TEXT NOT NULL UNIQUE,
    slug                TEXT NOT NULL UNIQUE,
    name                TEXT NOT NULL,
    owner_key           BLOB NOT NULL,
    owner_secret_sealed BLOB NOT NULL,
    root_key_sealed     BLOB NOT NULL,
    created_at          INTEGER NOT NULL
) STRICT;

-- Which life of the process serves a mesh, and since which change of hands. The lock on the directory keeps
-- every other process away, so nothing else is checked.
CREATE TABLE scope (
    mesh  INTEGER PRIMARY KEY,
    life  INTEGER, -- a random number; NULL when nobody serves it
    epoch INTEGER NOT NULL
) STRICT;

-- An addressable key of a mesh: a member's own (then member = n), or that of one of its sessions.
CREATE TABLE mailbox (
    n      INTEGER PRIMARY KEY,
    mesh   INTEGER NOT NULL,
    key    BLOB NOT NULL,
    member INTEGER NOT NULL,
    name   TEXT, -- the display name a session last used
    UNIQUE (mesh, key)
) STRICT;

CREATE TABLE member (
    n                   INTEGER PRIMARY KEY, -- its mailbox
    mesh                INTEGER NOT NULL,
    id                  TEXT NOT NULL UNIQUE,
    name                TEXT NOT NULL,
    role                TEXT NOT NULL,
    role_tag            TEXT,
    default_groups_json TEXT NOT NULL,
    message_mode        TEXT NOT NULL,
    joined_at           INTEGER NOT NULL,
    revoked_at          INTEGER
) STRICT;

CREATE INDEX member_of_mesh ON member (mesh);

-- Keys that members had before, kept for good: nobody else of the mesh may have one of them.
CREATE TABLE former_key (
    mesh   INTEGER NOT NULL,
    key    BLOB NOT NULL,
    member INTEGER NOT NULL,
    at     INTEGER NOT NULL, -- when it was replaced
    until  INTEGER NOT NULL, -- and until when it addresses the member's mailbox
    below  INTEGER NOT NULL, -- the member sealed nothing with it at this position or above
    PRIMARY KEY (mesh, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX former_key_of_member ON former_key (member, below);

-- What is kept of a member between its presences.
CREATE TABLE peer_state (
    member           INTEGER PRIMARY KEY,
    groups_json      TEXT NOT NULL,
    last_groups_json TEXT NOT NULL,
    profile_json     TEXT NOT NULL,
    visible          INTEGER NOT NULL,
    summary          TEXT,
    display_name     TEXT,
    stats_json       TEXT NOT NULL,
    last_seen        INTEGER NOT NULL
) STRICT;

CREATE TABLE invite (
    n          INTEGER PRIMARY KEY,
    id         TEXT NOT NULL UNIQUE,
    token_hash BLOB NOT NULL UNIQUE,
    mesh       INTEGER NOT NULL,
    uses_max   INTEGER NOT NULL,
    uses       INTEGER NOT NULL,
    role       TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE TABLE presence (
    id           TEXT PRIMARY KEY,
    mesh         INTEGER NOT NULL,
    member       INTEGER NOT NULL,
    mailbox      INTEGER NOT NULL,
    kind         TEXT NOT NULL,
    session_id   TEXT NOT NULL,
    pid          INTEGER NOT NULL,
    cwd          TEXT NOT NULL,
    connected_at INTEGER NOT NULL,
    ended_at     INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX presence_open ON presence (mesh) WHERE ended_at IS NULL;
CREATE INDEX presence_by_end ON presence (ended_at) WHERE ended_at IS NOT NULL;

-- Hooks that found no presence, in the order they came.
CREATE TABLE hook (
    n        INTEGER PRIMARY KEY,
    id       TEXT NOT NULL UNIQUE,
    pid      INTEGER NOT NULL,
    cwd      TEXT NOT NULL,
    status   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    presence TEXT -- whose it became
) STRICT;

CREATE INDEX hook_of_place ON hook (cwd, pid) WHERE presence IS NULL;
CREATE INDEX hook_of_presence ON hook (presence) WHERE presence IS NOT NULL;
CREATE INDEX hook_by_age ON hook (at);

-- Hellos that were used, so that none is used twice.
CREATE TABLE proof (
    proof    BLOB PRIMARY KEY,
    proof_by INTEGER NOT NULL, -- 64 bits, read as signed
    until    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX proof_by_until ON proof (until);

-- Accepted messages, by their place in the one order of the store. Short columns come first, so that a scan
-- by time does not read long bodies.
CREATE TABLE message (
    pos       INTEGER PRIMARY KEY,
    at        INTEGER NOT NULL,
    mesh      INTEGER NOT NULL,
    sender    INTEGER NOT NULL,
    session   INTEGER NOT NULL,
    prio      INTEGER NOT NULL,
    recip     INTEGER, -- the mailbox it is for; NULL when target says it
    target    TEXT,    -- `*`, `@group` and the like, as written
    mailboxes BLOB,    -- eight bytes each, least byte first, ascending; NULL when it is exactly recip
    cmid      TEXT,
    fp        TEXT,
    reply_to  TEXT,
    nonce     TEXT NOT NULL,
    cipher    TEXT NOT NULL
) STRICT;

-- What is left of messages that are not kept any more, while their cmids must still be known.
CREATE TABLE tombstone (
    pos    INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    mesh   INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    prio   INTEGER NOT NULL,
    recip  INTEGER,
    target TEXT,
    cmid   TEXT NOT NULL,
    fp     TEXT,
    body   BLOB NOT NULL -- SHA-256 of nonce, cipher and reply_to with their lengths
) STRICT;

-- (mesh, sender, cmid) of messages and tombstones. The key is 64 bits of a keyed hash of the three.
CREATE TABLE dedupe (
    key INTEGER NOT NULL,
    pos INTEGER NOT NULL,
    PRIMARY KEY (key, pos)
) STRICT, WITHOUT ROWID;

-- What is to come into `dedupe` and to go from it, one row for each commit: key and position, eight bytes each, least
-- byte first, with all bits of the position turned where the entry goes. Later rows hold over earlier ones.
CREATE TABLE fresh (
    n    INTEGER PRIMARY KEY,
    keys BLOB NOT NULL
) STRICT;

-- Messages that were lost with an earlier history and sent again: each is known by the id it had, which was made of
-- its position then.
CREATE TABLE renamed (
    pos  INTEGER PRIMARY KEY,
    old  INTEGER NOT NULL UNIQUE,
    mesh INTEGER NOT NULL
) STRICT;

CREATE INDEX renamed_of_mesh ON renamed (mesh, pos);

-- Deliveries that wait: one mailbox's lane is one range of this table.
CREATE TABLE pending (
    recip INTEGER NOT NULL,
    prio  INTEGER NOT NULL,
    pos   INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (recip, prio, pos)
) STRICT, WITHOUT ROWID;

-- Deliveries that ended, kept as long as their message.
CREATE TABLE settled (
    pos     INTEGER NOT NULL,
    mailbox INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    PRIMARY KEY (pos, mailbox)
) STRICT, WITHOUT ROWID;
