-- Receipts: messages whose senders asked for one stand in a chain of their mesh.

-- The key of all brokers of this store that receipts are signed with.
CREATE TABLE signer (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    public BLOB NOT NULL,
    sealed BLOB NOT NULL -- the secret key, under the brokers' key file
) STRICT;

-- The last receipt of each mesh. It stays when the receipt goes.
CREATE TABLE chain (
    mesh INTEGER PRIMARY KEY,
    n    INTEGER NOT NULL,
    link BLOB NOT NULL
) STRICT;

-- Numbered from 1 without a gap. Those from one commit share a signature, on the link of `ends`, and are
-- kept as long as one of their messages is known.
CREATE TABLE receipt (
    mesh     INTEGER NOT NULL,
    n        INTEGER NOT NULL,
    pos      INTEGER NOT NULL UNIQUE,
    ends     INTEGER NOT NULL,
    previous BLOB NOT NULL, -- the link before its own
    link     BLOB NOT NULL, -- SHA-256 of the previous one and of what is linked
    hash     BLOB NOT NULL, -- SHA-256 of the content
    epoch    BLOB NOT NULL, -- the history it was entered under
    content  TEXT NOT NULL, -- what it says, as canonical JSON
    PRIMARY KEY (mesh, n)
) STRICT, WITHOUT ROWID;
