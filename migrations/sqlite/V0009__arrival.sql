-- Deliveries on their way into `pending`, which most of them never reach: one row for each commit. Of each delivery the
-- columns of `pending` but `tries`, least byte first: recip, pos and bytes in eight bytes each, prio in one. One of them
-- waits while neither `pending` nor `settled` has it. No message is removed while rows are here.
CREATE TABLE arrival (
    n          INTEGER PRIMARY KEY,
    deliveries BLOB NOT NULL
) STRICT;
