//! Which client message id belongs to which message: claimed, looked up, forgotten.
//!
//! *Always holds:* an id stands at the key that its hash names or behind it, with no gap between. What it
//! belongs to is a message, what is left of one, or a message of the very batch that is being written.

use peermesh_core::ids::{MailboxNo, MeshNo, Position};
use peermesh_core::store::{Likeness, Message, Seen, Target};
use peermesh_core::time::Wall;
use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, OptionalExtension, Row};

use super::read;
use super::receipts;
use super::sql;
use super::trouble::Trouble;
use super::write::run;
use crate::rows::{self, BadRow, DedupeKeys, Name};

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

/// Enters a name for a message, at its key or the next free one. `gathered` finds messages of this batch.
pub(super) fn claim<'a>(
    conn: &Connection,
    claim: &mut CachedStatement<'_>,
    mut key: i64,
    (name, position): (Name<'_>, Position),
    gathered: impl Fn(Position) -> Option<&'a Message>,
) -> Result<Claim, Trouble> {
    let column = rows::position_column(position);
    while claim.execute([key, column])? == 0 {
        match holder(conn, key, name, column, &gathered)?.ok_or(BadRow("a key that comes and goes"))? {
            Holder::Own { is_over } => return Ok(if is_over { Claim::Over } else { Claim::Won }),
            Holder::Same(seen) => return Ok(Claim::Lost(seen)),
            Holder::Other => key = key.wrapping_add(1),
        }
    }
    Ok(Claim::Won)
}

/// What has this name.
pub(super) fn find(conn: &Connection, mut key: i64, name: Name<'_>) -> Result<Option<Box<Seen>>, Trouble> {
    while let Some(holder) = holder(conn, key, name, NOWHERE, &|_| None)? {
        match holder {
            Holder::Same(seen) => return Ok(Some(seen)),
            Holder::Own { .. } | Holder::Other => key = key.wrapping_add(1),
        }
    }
    Ok(None)
}

/// Whether the name that would like to stand at `key` is this message's.
pub(super) fn is_at(conn: &Connection, mut key: i64, position: i64) -> Result<bool, Trouble> {
    while let Some(holder) = position_at(conn, key)? {
        if holder == position {
            return Ok(true);
        }
        key = key.wrapping_add(1);
    }
    Ok(false)
}

/// No message has this position.
const NOWHERE: i64 = -1;

fn holder<'a>(
    conn: &Connection,
    key: i64,
    name: Name<'_>,
    own: i64,
    gathered: &impl Fn(Position) -> Option<&'a Message>,
) -> Result<Option<Holder>, Trouble> {
    let mut read = conn.prepare_cached(sql::DEDUPE_HOLDER)?;
    let mut found = read.query([key])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let column: i64 = row.get(0)?;
    if column == own {
        let is_over =
            row.get_ref(3)? == ValueRef::Null && conn.prepare_cached(sql::TOMBSTONE_READ)?.exists([own])?;
        return Ok(Some(Holder::Own { is_over }));
    }
    let same = |seen| Some(Holder::Same(Box::new(seen)));
    let receipt = |row: &Row<'_>| match row.get::<_, Option<i64>>(14)? {
        Some(_) => receipts::receipt_at(conn, rows::position(column)?),
        None => Ok(None),
    };
    if let Some(mesh) = row.get::<_, Option<i64>>(3)? {
        let is_same = name.is(mesh, row.get(4)?, row.get::<_, Option<Box<str>>>(9)?.as_deref());
        let seen = |message| Ok::<_, Trouble>(Seen { receipt: receipt(row)?, ..Seen::of(&message) });
        return Ok(if is_same { same(seen(read::message(row, 1)?)?) } else { Some(Holder::Other) });
    }
    let position = rows::position(column)?;
    let receipt = receipt(row)?;
    let mut tombstone = conn.prepare_cached(sql::TOMBSTONE_READ)?;
    let mut tombs = tombstone.query([column])?;
    if let Some(row) = tombs.next()? {
        let is_same = name.is(row.get(1)?, row.get(2)?, row.get::<_, Option<Box<str>>>(6)?.as_deref());
        let seen = Seen { receipt, ..faded(position, row)? };
        return Ok(if is_same { same(seen) } else { Some(Holder::Other) });
    }
    let message = gathered(position).ok_or(BadRow("a client message id without its message"))?;
    let is_same = name.is(message.mesh.0, message.sender.0, message.client_message_id.as_deref());
    Ok(if is_same { same(Seen::of(message)) } else { Some(Holder::Other) })
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

/// Removes a name, found at its key or behind it, and closes the gap: names that had to move on because of it
/// move back, or they would not be found any more.
pub(super) fn forget(
    conn: &Connection,
    keys: &DedupeKeys,
    name: Name<'_>,
    position: i64,
) -> Result<(), Trouble> {
    let mut gap = name.home(keys);
    while run(conn, sql::DEDUPE_DROP, (gap, position))? == 0 {
        if position_at(conn, gap)?.is_none() {
            return Err(BadRow("a message whose client message id is missing").into());
        }
        gap = gap.wrapping_add(1);
    }
    let mut at = gap;
    loop {
        at = at.wrapping_add(1);
        let Some(position) = position_at(conn, at)? else { return Ok(()) };
        // It may fill the gap if its own key is not between the gap and where it stands.
        let moved_on_by = at.wrapping_sub(home_of(conn, keys, position)?).cast_unsigned();
        if moved_on_by >= at.wrapping_sub(gap).cast_unsigned() {
            run(conn, sql::DEDUPE_MOVE, (at, gap))?;
            gap = at;
        }
    }
}

fn position_at(conn: &Connection, key: i64) -> Result<Option<i64>, Trouble> {
    Ok(conn.prepare_cached(sql::DEDUPE_READ)?.query_row([key], |row| row.get(0)).optional()?)
}

/// The key that the message at this position, or what is left of it, would like to have.
fn home_of(conn: &Connection, keys: &DedupeKeys, position: i64) -> Result<i64, Trouble> {
    let mut read = conn.prepare_cached(sql::MESSAGE_KEY)?;
    let stored: (i64, i64, Option<Box<str>>) =
        read.query_row([position], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let (mesh, sender, id) = stored;
    let id = id.ok_or(BadRow("a client message id whose message has none"))?;
    Ok(Name { mesh: MeshNo(mesh), sender: MailboxNo(sender), id: &id }.home(keys))
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
        let before = (writer.conn().total_changes(), fs::metadata(log).unwrap().len());
        let replies = write(writer, ops).unwrap();
        assert!(replies.iter().all(|reply| matches!(reply, Reply::Known(_))), "{replies:?}");
        assert_eq!((writer.conn().total_changes(), fs::metadata(log).unwrap().len()), before, "a write");
        assert_eq!(counted(StatementStatus::FullscanStep, writer), BTreeMap::new());
        counted(StatementStatus::Run, writer)
    }

    #[test]
    fn f_dos_03_a_resend_is_one_read_by_its_key_and_no_write() {
        let dir = memory_dir();
        let (mut writer, _) = parts(dir.path());
        let log = dir.path().join("peermesh.db-wal");
        write(&mut writer, settled(accept(1, "kept", None))).unwrap();
        write(&mut writer, settled(accept(2, "buried", None))).unwrap();
        let (messages_before, keys_before) = (Wall::from_millis(3), Wall::from_millis(0));
        let prune = Op::Prune { messages_before, keys_before, proofs_before: keys_before, limit: 9 };
        write(&mut writer, vec![prune]).unwrap();
        write(&mut writer, vec![accept(3, "kept too", None)]).unwrap();
        // The claim does not get its key, so it changes nothing; then its holder is read.
        let resend =
            |claims| [("BEGIN", 1), ("COMMIT", 1), ("DEDUPE_CLAIM", claims), ("DEDUPE_HOLDER", claims)];
        let kept = runs(&mut writer, &log, vec![accept(9, "kept too", None)]);
        assert_eq!(kept, BTreeMap::from(resend(1)));
        let many = (10..74).map(|position| accept(position, "kept too", None)).collect();
        assert_eq!(runs(&mut writer, &log, many), BTreeMap::from(resend(64)), "and many in one batch");
        let buried = runs(&mut writer, &log, vec![accept(80, "buried", None)]);
        let tombstone = ("TOMBSTONE_READ", 1);
        assert_eq!(buried, resend(1).into_iter().chain([tombstone]).collect());
        let look = runs(&mut writer, &log, vec![find("kept too")]);
        assert_eq!(look, BTreeMap::from([("BEGIN", 1), ("COMMIT", 1), ("DEDUPE_HOLDER", 1)]));
    }
}
