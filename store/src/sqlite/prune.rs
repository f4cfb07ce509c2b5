//! Removes what was kept long enough, a bounded page at a time.

use peermesh_core::ids::{MailboxNo, MeshNo, Position};
use peermesh_core::store::{Pruned, Reply};
use peermesh_core::time::Wall;
use rusqlite::{Connection, OptionalExtension, Row};

use super::arrivals::Arrivals;
use super::keys::{self, Keys};
use super::read;
use super::receipts;
use super::settled;
use super::sql;
use super::trouble::Trouble;
use super::write::run;
use crate::rows::{self, BadRow, Name};

/// Old messages that one call looks at without removing them, because somebody still waits for them. They are
/// few: what nobody takes expires long before it is removed.
const WAITING_MAX: usize = 8_192;

/// Rows of one block that were written by a clock that was ahead, and which a walk steps over.
const AHEAD_MAX: usize = 8_192;

/// What goes: older than these times, at most so many of each kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Old {
    pub messages_before: Wall,
    pub keys_before: Wall,
    pub proofs_before: Wall,
    pub now: Wall,
    pub limit: u32,
}

/// Removes at most `limit` messages, outlived client message ids, ended presences and outlived proofs each,
/// oldest first.
pub(super) fn prune(
    conn: &Connection,
    keys: &mut Keys,
    arrivals: &mut Arrivals,
    old: Old,
) -> Result<Reply, Trouble> {
    let size = usize::try_from(old.limit).unwrap_or(usize::MAX);
    let outlived = tombstones_over(conn, (old.keys_before, old.now), size)?;
    for tomb in &outlived {
        keys.forget(tomb.name(), tomb.position);
        run(conn, sql::TOMBSTONE_DELETE, [tomb.position])?;
    }
    let over = messages_over(conn, arrivals, (old.messages_before, old.now), size)?;
    if !over.is_empty() {
        // What says that their deliveries ended goes with them.
        arrivals.go_down_all(conn)?;
    }
    let mut buried = 0_usize;
    for message in &over {
        if message.id.is_none() {
            continue;
        }
        if message.at < old.keys_before {
            keys.forget(message.name(), message.position);
        } else {
            let mut read = conn.prepare_cached(sql::MESSAGE_READ)?;
            let message = read.query_row([message.position], |row| Ok(read::message(row, 0)))??;
            keys::bury(conn, &message)?;
            buried += 1;
        }
    }
    for message in &over {
        run(conn, sql::MESSAGE_DELETE, [message.position])?;
        run(conn, sql::MENTION_DELETE, [message.position])?;
    }
    settled::forget(conn, over.iter().map(|message| message.position))?;
    if !over.is_empty() || !outlived.is_empty() {
        run(conn, sql::BLOCK_PRUNE, ())?;
        run(conn, sql::RENAMED_PRUNE, ())?;
        receipts::forget(conn, over.iter().chain(&outlived).map(|gone| gone.position))?;
    }
    let presences = run(conn, sql::PRESENCE_PRUNE, (old.messages_before.as_millis(), old.limit))?;
    let proofs = run(conn, sql::PROOF_PRUNE, (old.proofs_before.as_millis(), old.limit))?;
    let [messages, buried, tombstones, presences, proofs] =
        [over.len(), buried, outlived.len(), presences, proofs]
            .map(|rows| u32::try_from(rows).unwrap_or(u32::MAX));
    Ok(Reply::Pruned(Pruned { messages, buried, tombstones, presences, proofs }))
}

/// A message, or what is left of one, that goes.
struct Over {
    position: i64,
    at: Wall,
    mesh: MeshNo,
    sender: MailboxNo,
    id: Option<Box<str>>,
}

impl Over {
    fn name(&self) -> Name<'_> {
        Name { mesh: self.mesh, sender: self.sender, id: self.id.as_deref().unwrap_or_default() }
    }
}

/// The first messages accepted before `before` that nobody waits for.
///
/// Within a block of positions messages are in the order of their age, save for those of a clock that was
/// ahead, so the first one that is too young ends its block, however many follow; the walk goes on with the
/// next block, which may be another shard's and older.
fn messages_over(
    conn: &Connection,
    arrivals: &Arrivals,
    (before, now): (Wall, Wall),
    limit: usize,
) -> Result<Vec<Over>, Trouble> {
    let mut walk = Walk { arrivals, before, now, limit, over: Vec::new(), waiting: 0 };
    block_by_block(conn, |after| walk.until_young(conn, after))?;
    Ok(walk.over)
}

/// The first messages accepted before `before` of which only the client message id is known.
fn tombstones_over(
    conn: &Connection,
    (before, now): (Wall, Wall),
    limit: usize,
) -> Result<Vec<Over>, Trouble> {
    let mut over = Vec::new();
    let mut scan = conn.prepare_cached(sql::TOMBSTONE_SCAN)?;
    block_by_block(conn, |after| {
        let mut ahead = 0;
        let mut rows = scan.query([after])?;
        while over.len() < limit
            && let Some(row) = rows.next()?
        {
            let (position, at) = (row.get(0)?, Wall::from_millis(row.get(1)?));
            if at >= before {
                if at > now && ahead < AHEAD_MAX {
                    ahead += 1;
                    continue;
                }
                return Ok(Some(position));
            }
            let (mesh, sender) = (MeshNo(row.get(2)?), MailboxNo(row.get(3)?));
            over.push(Over { position, at, mesh, sender, id: Some(row.get(4)?) });
        }
        Ok(None)
    })?;
    Ok(over)
}

/// Walks on from a position, and from the next block wherever `walk` gives the position of one too young.
fn block_by_block(
    conn: &Connection,
    mut walk: impl FnMut(i64) -> Result<Option<i64>, Trouble>,
) -> Result<(), Trouble> {
    let mut next_block = conn.prepare_cached(sql::BLOCK_NEXT)?;
    let mut after = rows::position_column(Position::ZERO);
    while let Some(young) = walk(after)?
        && let Some(first) = next_block.query_row([young], |row| row.get::<_, i64>(0)).optional()?
    {
        after = first - 1;
    }
    Ok(())
}

struct Walk<'a> {
    arrivals: &'a Arrivals,
    before: Wall,
    now: Wall,
    limit: usize,
    over: Vec<Over>,
    waiting: usize,
}

impl Walk<'_> {
    /// Collects messages after a position up to the first that is too young, and gives that one's position;
    /// none when enough are found or there are no more.
    fn until_young(&mut self, conn: &Connection, after: i64) -> Result<Option<i64>, Trouble> {
        let mut scan = conn.prepare_cached(sql::MESSAGE_SCAN)?;
        let mut rows = scan.query([after])?;
        let mut ahead = 0;
        while self.over.len() < self.limit
            && self.waiting < WAITING_MAX
            && let Some(row) = rows.next()?
        {
            let (position, at): (i64, i64) = (row.get(0)?, row.get(1)?);
            if at >= self.before.as_millis() {
                if at > self.now.as_millis() && ahead < AHEAD_MAX {
                    ahead += 1;
                    continue;
                }
                return Ok(Some(position));
            }
            if is_waited_for(conn, self.arrivals, row)? {
                self.waiting += 1;
                continue;
            }
            self.over.push(Over {
                position,
                at: Wall::from_millis(at),
                mesh: MeshNo(row.get(2)?),
                sender: MailboxNo(row.get(3)?),
                id: row.get(7)?,
            });
        }
        Ok(None)
    }
}

fn is_waited_for(conn: &Connection, arrivals: &Arrivals, row: &Row<'_>) -> Result<bool, Trouble> {
    let (position, priority): (i64, i64) = (row.get(0)?, row.get(4)?);
    let mailboxes = mailboxes_of(row.get(5)?, row.get(6)?)?;
    let mut waits = conn.prepare_cached(sql::PENDING_READ)?;
    for mailbox in mailboxes {
        let order = [mailbox.0, priority, position];
        if arrivals.has(order) || waits.exists(order)? {
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
