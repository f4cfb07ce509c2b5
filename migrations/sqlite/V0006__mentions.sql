-- Messages that mention somebody: one member's are one range of this table, in the order of positions.
CREATE TABLE mention (
    member INTEGER NOT NULL, -- the mailbox of its own key
    pos    INTEGER NOT NULL,
    PRIMARY KEY (member, pos)
) STRICT, WITHOUT ROWID;

-- They go with their message.
CREATE INDEX mention_of_message ON mention (pos);
