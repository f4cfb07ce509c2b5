-- Deliveries that ended, kept as long as their message: one row for what a commit ended among 32 positions that follow
-- each other. Named by the first of them; of each, most byte first: the lowest five bits of pos in one byte, mailbox and
-- at in eight each, outcome in one. A delivery ends once, so it stands in one row.
ALTER TABLE settled RENAME TO settled_alone;

CREATE TABLE settled (
    pos        INTEGER NOT NULL,
    mailbox    INTEGER NOT NULL,
    deliveries BLOB NOT NULL,
    PRIMARY KEY (pos, mailbox)
) STRICT, WITHOUT ROWID;

INSERT INTO settled (pos, mailbox, deliveries)
    SELECT pos, mailbox, unhex(printf('%02x%016x%016x%02x', pos & 31, mailbox, at, outcome)) FROM settled_alone
    ORDER BY pos, mailbox;

DROP TABLE settled_alone;
