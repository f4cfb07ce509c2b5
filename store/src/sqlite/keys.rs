//! Which client message id belongs to which message: claimed, looked up, forgotten.
//!
//! *Always holds:* an id stands at the key that its hash names, beside others that have the same. What it
//! belongs to is a message, what is left of one, or a message of the very batch that is being written.

use peermesh_core::ids::Position;
use peermesh_core::store::{Likeness, Message, Seen, Target};
use peermesh_core::time::Wall;
use rusqlite::{Connection, Row};

use super::filter::Filter;
use super::fresh::{Entry, Fresh};
use super::read;
use super::receipts;
use super::sql;
use super::trouble::Trouble;
use super::write::run;
use crate::rows::{self, BadRow, DedupeKeys, Name};

/// What the writer knows of client message ids.
pub(super) struct Keys {
    /// Where each stands.
    pub hash: DedupeKeys,
    /// Those that are not in their table yet.
    pub fresh: Fresh,
    /// Which are certainly nowhere.
    pub filter: Filter,
}

impl Keys {
    /// Nothing is known yet.
    pub(super) fn new(hash: DedupeKeys) -> Keys {
        Keys { hash, fresh: Fresh::new(), filter: Filter::new() }
    }

    /// To be called when nobody waits; true when there is more to do.
    pub(super) fn rest(&mut self, conn: &Connection) -> Result<bool, Trouble> {
        self.filter.go_on(conn, &self.fresh)
    }

    fn add(&mut self, entry: Entry) {
        self.filter.add(entry.0);
        self.fresh.add(entry);
    }

    /// Removes a message's name.
    pub(super) fn forget(&mut self, name: Name<'_>, position: i64) {
        self.fresh.remove((name.home(&self.hash), position));
    }
}

/// Who stands at a key.
enum Holder {
    /// The very message, of which there may be a tombstone only.
    Own { is_over: bool },
    /// Another one of the same name.
    Same(Box<Seen>),
    /// One of another name.
    Other,
}

/// What became of a claim.
pub(super) enum Claim {
    /// The name is the message's, which is to be written if it is not there.
    Won,
    /// The name is the message's, which was written, and removed since.
    Over,
    /// The name is another message's.
    Lost(Box<Seen>),
}

/// Enters a name for a message.
pub(super) fn claim<'a>(
    conn: &Connection,
    keys: &mut Keys,
    key: i64,
    (name, position): (Name<'_>, Position),
    gathered: impl Fn(Position) -> Option<&'a Message>,
) -> Result<Claim, Trouble> {
    let own = rows::position_column(position);
    Ok(match holder(conn, keys, key, name, own, &gathered)? {
        Holder::Own { is_over: true } => Claim::Over,
        Holder::Own { is_over: false } => Claim::Won,
        Holder::Same(seen) => Claim::Lost(seen),
        Holder::Other => {
            keys.add((key, own));
            Claim::Won
        }
    })
}

/// What has this name.
pub(super) fn find(
    conn: &Connection,
    keys: &Keys,
    key: i64,
    name: Name<'_>,
) -> Result<Option<Box<Seen>>, Trouble> {
    Ok(match holder(conn, keys, key, name, NOWHERE, &|_| None)? {
        Holder::Same(seen) => Some(seen),
        Holder::Own { .. } | Holder::Other => None,
    })
}

/// No message has this position.
const NOWHERE: i64 = -1;

/// Who of those at a key has this name.
fn holder<'a>(
    conn: &Connection,
    keys: &Keys,
    key: i64,
    name: Name<'_>,
    own: i64,
    gathered: &impl Fn(Position) -> Option<&'a Message>,
) -> Result<Holder, Trouble> {
    if !keys.filter.may_have(key) {
        return Ok(Holder::Other);
    }
    let fresh = &keys.fresh;
    let mut read = conn.prepare_cached(sql::KEPT_AT)?;
    for column in fresh.at(key) {
        let mut found = read.query([column])?;
        let row = found.next()?.ok_or(BadRow("nothing, where nothing is a row of its own"))?;
        let holder = judge(conn, row, name, own, gathered)?;
        if !matches!(holder, Holder::Other) {
            return Ok(holder);
        }
    }
    let mut read = conn.prepare_cached(sql::DEDUPE_HOLDERS)?;
    let mut found = read.query([key])?;
    while let Some(row) = found.next()? {
        if fresh.get((key, row.get(0)?)).is_some() {
            continue; // It was looked at, or it is forgotten.
        }
        let holder = judge(conn, row, name, own, gathered)?;
        if !matches!(holder, Holder::Other) {
            return Ok(holder);
        }
    }
    Ok(Holder::Other)
}

/// Whether a message has this name, from its position and what is kept of it.
fn judge<'a>(
    conn: &Connection,
    row: &Row<'_>,
    name: Name<'_>,
    own: i64,
    gathered: &impl Fn(Position) -> Option<&'a Message>,
) -> Result<Holder, Trouble> {
    let (column, mesh): (i64, Option<i64>) = (row.get(0)?, row.get(3)?);
    if column == own {
        let is_over = mesh.is_none() && conn.prepare_cached(sql::TOMBSTONE_READ)?.exists([own])?;
        return Ok(Holder::Own { is_over });
    }
    let position = rows::position(column)?;
    let same = |seen| Ok(Holder::Same(Box::new(seen)));
    let receipt = || match row.get::<_, Option<i64>>(14)? {
        Some(_) => receipts::receipt_at(conn, position),
        None => Ok(None),
    };
    if let Some(mesh) = mesh {
        if !name.is(mesh, row.get(4)?, row.get::<_, Option<Box<str>>>(9)?.as_deref()) {
            return Ok(Holder::Other);
        }
        return same(Seen { receipt: receipt()?, ..Seen::of(&read::message(row, 1)?) });
    }
    let mut tombstone = conn.prepare_cached(sql::TOMBSTONE_READ)?;
    let mut tombs = tombstone.query([column])?;
    if let Some(tomb) = tombs.next()? {
        if !name.is(tomb.get(1)?, tomb.get(2)?, tomb.get::<_, Option<Box<str>>>(6)?.as_deref()) {
            return Ok(Holder::Other);
        }
        return same(Seen { receipt: receipt()?, ..faded(position, tomb)? });
    }
    let message = gathered(position).ok_or(BadRow("a client message id without its message"))?;
    if !name.is(message.mesh.0, message.sender.0, message.client_message_id.as_deref()) {
        return Ok(Holder::Other);
    }
    same(Seen::of(message))
}

/// A row of `tombstone`.
fn faded(position: Position, row: &Row<'_>) -> Result<Seen, Trouble> {
    let likeness = Likeness {
        target: rows::target(row.get(4)?, row.get(5)?)?,
        priority: rows::priority(row.get(3)?)?,
        fingerprint: row.get(7)?,
        body: rows::bytes_32(&row.get::<_, Vec<u8>>(8)?)?,
    };
    Ok(Seen {
        position,
        at: Wall::from_millis(row.get(0)?),
        likeness,
        history_available: false,
        receipt: None,
    })
}

/// Keeps of a message what must be known while its name is.
pub(super) fn bury(conn: &Connection, message: &Message) -> Result<(), Trouble> {
    let Likeness { target, priority, fingerprint, body } = Likeness::of(message);
    let (recip, target) = match target {
        Target::Mailbox(mailbox) => (Some(mailbox.0), None),
        Target::Spec(text) => (None, Some(text)),
    };
    let position = rows::position_column(message.position);
    let (at, id) = (message.at.as_millis(), &message.client_message_id);
    let (mesh, sender) = (message.mesh.0, message.sender.0);
    let row = (position, at, mesh, sender, priority.rank(), recip, target, id, fingerprint, body);
    run(conn, sql::TOMBSTONE_INSERT, row)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use peermesh_core::store::{Op, Reply};
    use rusqlite::StatementStatus;

    use super::super::tests::{accept, find, memory_dir, parts, settled, write};
    use super::super::write::Writer;
    use super::*;

    /// How often a batch runs which statement; it may change nothing, and look through no table.
    fn runs(writer: &mut Writer, log: &std::path::Path, ops: Vec<Op>) -> BTreeMap<&'static str, i32> {
        let counted = |status, writer: &Writer| -> BTreeMap<&'static str, i32> {
            let count = |(name, sql): &(&'static str, &str)| {
                Some((*name, writer.conn().prepare_cached(sql).unwrap().reset_status(status)))
            };
            sql::ALL.iter().filter_map(count).filter(|(_, count)| *count > 0).collect()
        };
        counted(StatementStatus::Run, writer);
        counted(StatementStatus::FullscanStep, writer);
        counted(StatementStatus::RePrepare, writer);
        let before = (writer.conn().total_changes(), fs::metadata(log).unwrap().len());
        let replies = write(writer, ops).unwrap();
        assert!(replies.iter().all(|reply| matches!(reply, Reply::Known(_))), "{replies:?}");
        assert_eq!((writer.conn().total_changes(), fs::metadata(log).unwrap().len()), before, "a write");
        assert_eq!(counted(StatementStatus::FullscanStep, writer), BTreeMap::new());
        assert_eq!(counted(StatementStatus::RePrepare, writer), BTreeMap::new(), "prepared once");
        counted(StatementStatus::Run, writer)
    }

    #[test]
    fn f_dos_03_a_resend_is_one_read_by_its_key_and_no_write() {
        // Keys of late are in memory and lead to their messages; older ones are read together with them.
        for (gathered_max, read) in [(1_000, "KEPT_AT"), (1, "DEDUPE_HOLDERS")] {
            let dir = memory_dir();
            let (mut writer, _) = parts(dir.path());
            writer.keys().fresh.set_gathered_max(gathered_max);
            let log = dir.path().join("peermesh.db-wal");
            write(&mut writer, settled(accept(1, "kept", None))).unwrap();
            write(&mut writer, settled(accept(2, "buried", None))).unwrap();
            let (messages_before, keys_before) = (Wall::from_millis(3), Wall::from_millis(0));
            let (proofs_before, now) = (keys_before, messages_before);
            let prune = Op::Prune { messages_before, keys_before, proofs_before, now, limit: 9 };
            write(&mut writer, vec![prune]).unwrap();
            write(&mut writer, vec![accept(3, "kept too", None)]).unwrap();
            // Who looks for a key in the table looks in memory first, which is no statement.
            let resend = |claims| BTreeMap::from([("BEGIN", 1), ("COMMIT", 1), (read, claims)]);
            let kept = runs(&mut writer, &log, vec![accept(9, "kept too", None)]);
            assert_eq!(kept, resend(1));
            let many = (10..74).map(|position| accept(position, "kept too", None)).collect();
            assert_eq!(runs(&mut writer, &log, many), resend(64), "and many in one batch");
            let look = runs(&mut writer, &log, vec![find("kept too")]);
            assert_eq!(look, resend(1), "and a look");
            let buried = runs(&mut writer, &log, vec![accept(80, "buried", None)]);
            let tombstone = ("TOMBSTONE_READ", 1);
            assert_eq!(buried, resend(1).into_iter().chain([tombstone]).collect());
        }
    }
}
