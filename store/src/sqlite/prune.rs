//! Removes what was kept long enough, a bounded page at a time.

use peermesh_core::ids::{MailboxNo, MeshNo, Position};
use peermesh_core::store::Reply;
use peermesh_core::time::Wall;
use rusqlite::{Connection, OptionalExtension, Row};

use super::sql;
use super::trouble::Trouble;
use super::write::run;
use crate::rows::{self, BadRow, DedupeKeys};

/// Old messages that one call looks at without removing them, because somebody still waits for them. They are
/// few: what nobody takes expires long before it is removed.
const WAITING_MAX: usize = 8_192;

/// Removes at most `limit` messages, ended presences and outlived proofs each, oldest first.
pub(super) fn prune(
    conn: &Connection,
    keys: &DedupeKeys,
    messages_before: Wall,
    proofs_before: Wall,
    limit: u32,
) -> Result<Reply, Trouble> {
    let size = usize::try_from(limit).unwrap_or(usize::MAX);
    let over = messages_over(conn, messages_before, size)?;
    for message in &over {
        if let Some(id) = &message.client_message_id {
            forget_key(conn, keys, keys.key(message.mesh, message.sender, id), message.position)?;
        }
    }
    for message in &over {
        run(conn, sql::MESSAGE_DELETE, [message.position])?;
        run(conn, sql::SETTLED_DELETE, [message.position])?;
    }
    if !over.is_empty() {
        run(conn, sql::BLOCK_PRUNE, ())?;
    }
    let presences = run(conn, sql::PRESENCE_PRUNE, (messages_before.as_millis(), limit))?;
    let proofs = run(conn, sql::PROOF_PRUNE, (proofs_before.as_millis(), limit))?;
    let rows = over.len().max(presences).max(proofs);
    Ok(Reply::Pruned { rows: u32::try_from(rows).unwrap_or(u32::MAX) })
}

/// A message that goes.
struct Over {
    position: i64,
    mesh: MeshNo,
    sender: MailboxNo,
    client_message_id: Option<Box<str>>,
}

/// The first messages accepted before `before` that nobody waits for.
///
/// Within a block of positions messages are in the order of their age, so the first one that is too young
/// ends its block, however many follow; the walk goes on with the next block, which may be another shard's
/// and older.
fn messages_over(conn: &Connection, before: Wall, limit: usize) -> Result<Vec<Over>, Trouble> {
    let mut walk = Walk { before, limit, over: Vec::new(), waiting: 0 };
    let mut next_block = conn.prepare_cached(sql::BLOCK_NEXT)?;
    let mut after = rows::position_column(Position::ZERO);
    while let Some(young) = walk.until_young(conn, after)?
        && let Some(first) = next_block.query_row([young], |row| row.get::<_, i64>(0)).optional()?
    {
        after = first - 1;
    }
    Ok(walk.over)
}

struct Walk {
    before: Wall,
    limit: usize,
    over: Vec<Over>,
    waiting: usize,
}

impl Walk {
    /// Collects messages after a position up to the first that is too young, and gives that one's position;
    /// none when enough are found or there are no more.
    fn until_young(&mut self, conn: &Connection, after: i64) -> Result<Option<i64>, Trouble> {
        let mut scan = conn.prepare_cached(sql::MESSAGE_SCAN)?;
        let mut rows = scan.query([after])?;
        while self.over.len() < self.limit
            && self.waiting < WAITING_MAX
            && let Some(row) = rows.next()?
        {
            let (position, at): (i64, i64) = (row.get(0)?, row.get(1)?);
            if at >= self.before.as_millis() {
                return Ok(Some(position));
            }
            if is_waited_for(conn, row)? {
                self.waiting += 1;
                continue;
            }
            self.over.push(Over {
                position,
                mesh: MeshNo(row.get(2)?),
                sender: MailboxNo(row.get(3)?),
                client_message_id: row.get(7)?,
            });
        }
        Ok(None)
    }
}

fn is_waited_for(conn: &Connection, row: &Row<'_>) -> Result<bool, Trouble> {
    let (position, priority): (i64, i64) = (row.get(0)?, row.get(4)?);
    let mailboxes = mailboxes_of(row.get(5)?, row.get(6)?)?;
    let mut waits = conn.prepare_cached(sql::PENDING_READ)?;
    for mailbox in mailboxes {
        if waits.exists((mailbox.0, priority, position))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The mailboxes a message was accepted for, from its columns `recip` and `mailboxes`.
pub(super) fn mailboxes_of(recip: Option<i64>, list: Option<Vec<u8>>) -> Result<Vec<MailboxNo>, BadRow> {
    match (list, recip) {
        (Some(list), _) => rows::mailboxes(&list),
        (None, Some(recip)) => Ok(vec![MailboxNo(recip)]),
        (None, None) => Err(BadRow("a message without recipients")),
    }
}

/// Removes a client message id, found at its key or behind it, and closes the gap: ids that had to move on
/// because of it move back, or they would not be found any more.
fn forget_key(conn: &Connection, keys: &DedupeKeys, home: i64, position: i64) -> Result<(), Trouble> {
    let mut gap = home;
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
        let moved_on_by = at.wrapping_sub(key_of(conn, keys, position)?).cast_unsigned();
        if moved_on_by >= at.wrapping_sub(gap).cast_unsigned() {
            run(conn, sql::DEDUPE_MOVE, (at, gap))?;
            gap = at;
        }
    }
}

fn position_at(conn: &Connection, key: i64) -> Result<Option<i64>, Trouble> {
    Ok(conn.prepare_cached(sql::DEDUPE_READ)?.query_row([key], |row| row.get(0)).optional()?)
}

/// The key that the message at this position would like to have.
fn key_of(conn: &Connection, keys: &DedupeKeys, position: i64) -> Result<i64, Trouble> {
    let mut read = conn.prepare_cached(sql::MESSAGE_KEY)?;
    let stored: (i64, i64, Option<Box<str>>) =
        read.query_row([position], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let (mesh, sender, id) = stored;
    let id = id.ok_or(BadRow("a client message id whose message has none"))?;
    Ok(keys.key(MeshNo(mesh), MailboxNo(sender), &id))
}
