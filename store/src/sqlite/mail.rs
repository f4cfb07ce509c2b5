//! Messages and deliveries: what is written for every message.
//!
//! *Always holds:* rows of one table are written in the order of their keys, so that neighbours share a page.
//! The outcome is that of the operations in their own order: they touch each other only through a message's
//! position, and a message that follows a change of its own delivery starts a new round.

use std::collections::HashSet;

use peermesh_core::ids::{MailboxNo, Position};
use peermesh_core::store::{Accept, Cursor, Message, Outcome, Priority, Reply, Settled, Target};
use peermesh_core::time::Wall;
use rusqlite::{CachedStatement, Connection, OptionalExtension, params};

use super::sql;
use super::trouble::Trouble;
use crate::rows::{self, BadRow, DedupeKeys};

/// Gathers the mail of one batch.
pub(super) struct Mail<'a> {
    conn: &'a Connection,
    keys: &'a DedupeKeys,
    accepts: Vec<Incoming<'a>>,
    changes: Vec<Change>,
    changed: HashSet<Position>,
}

struct Incoming<'a> {
    /// The operation's place in its batch.
    at: usize,
    accept: &'a Accept,
    /// False once another message turned out to own its client message id.
    fresh: bool,
}

struct Change {
    cursor: Cursor,
    what: What,
}

enum What {
    Settle { at: Wall, outcome: Outcome },
    Tried(u32),
}

impl<'a> Mail<'a> {
    pub(super) fn new(conn: &'a Connection, keys: &'a DedupeKeys) -> Mail<'a> {
        Mail { conn, keys, accepts: Vec::new(), changes: Vec::new(), changed: HashSet::new() }
    }

    /// Takes a message; `at` is the place of its reply.
    pub(super) fn accept(
        &mut self,
        at: usize,
        accept: &'a Accept,
        replies: &mut [Reply],
    ) -> Result<(), Trouble> {
        if self.changed.contains(&accept.message.position) {
            self.write(replies)?;
        }
        self.accepts.push(Incoming { at, accept, fresh: true });
        Ok(())
    }

    pub(super) fn settle(&mut self, settled: &Settled) {
        let Settled { position, mailbox, priority, at, outcome } = *settled;
        self.change(Cursor { mailbox, priority, position }, What::Settle { at, outcome });
    }

    pub(super) fn tried(&mut self, position: Position, mailbox: MailboxNo, priority: Priority, tries: u32) {
        self.change(Cursor { mailbox, priority, position }, What::Tried(tries));
    }

    fn change(&mut self, cursor: Cursor, what: What) {
        self.changed.insert(cursor.position);
        self.changes.push(Change { cursor, what });
    }

    /// Writes what was gathered.
    pub(super) fn write(&mut self, replies: &mut [Reply]) -> Result<(), Trouble> {
        if !self.accepts.is_empty() {
            self.claim_keys(replies)?;
            self.insert_messages()?;
            self.accepts.clear();
        }
        if !self.changes.is_empty() {
            self.change_deliveries()?;
            self.changes.clear();
            self.changed.clear();
        }
        Ok(())
    }

    /// Enters every client message id, and finds out whose was there before.
    fn claim_keys(&mut self, replies: &mut [Reply]) -> Result<(), Trouble> {
        let mut claims = Vec::with_capacity(self.accepts.len());
        for (n, incoming) in self.accepts.iter().enumerate() {
            replies[incoming.at] = Reply::Inserted;
            let message = &*incoming.accept.message;
            if let Some(id) = &message.client_message_id {
                claims.push((self.keys.key(message.mesh, message.sender, id), n));
            }
        }
        claims.sort_unstable();
        let mut claim = self.conn.prepare_cached(sql::DEDUPE_CLAIM)?;
        for (key, n) in claims {
            let incoming = &self.accepts[n];
            if let Some(position) = self.claim(&mut claim, key, &incoming.accept.message)? {
                replies[incoming.at] = Reply::Existing { position };
                self.accepts[n].fresh = false;
            }
        }
        Ok(())
    }

    /// Enters one client message id, at its key or the next free one; gives the position of the other message
    /// that has it already.
    fn claim(
        &self,
        claim: &mut CachedStatement<'_>,
        mut key: i64,
        message: &Message,
    ) -> Result<Option<Position>, Trouble> {
        let position = rows::position_column(message.position);
        while claim.execute([key, position])? == 0 {
            let mut read = self.conn.prepare_cached(sql::DEDUPE_READ)?;
            let taken = read.query_row([key], |row| row.get(0))?;
            if taken == position {
                break;
            }
            if self.has_same_id(taken, message)? {
                return Ok(Some(rows::position(taken)?));
            }
            key = key.wrapping_add(1);
        }
        Ok(None)
    }

    /// Whether the message at that position, stored or of this very batch, has this one's client message id.
    fn has_same_id(&self, column: i64, message: &Message) -> Result<bool, Trouble> {
        let mut read = self.conn.prepare_cached(sql::MESSAGE_KEY)?;
        let stored: Option<(i64, i64, Option<Box<str>>)> =
            read.query_row([column], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        if let Some((mesh, sender, id)) = stored {
            return Ok((mesh, sender, &id) == (message.mesh.0, message.sender.0, &message.client_message_id));
        }
        let position = rows::position(column)?;
        let mut gathered = self.accepts.iter().map(|incoming| &*incoming.accept.message);
        let other = gathered.find(|other| other.position == position);
        let other = other.ok_or(BadRow("a client message id without its message"))?;
        Ok((other.mesh, other.sender, &other.client_message_id)
            == (message.mesh, message.sender, &message.client_message_id))
    }

    /// Inserts the messages whose ids are theirs, and their deliveries. A message that is there already is
    /// the same write again, and its deliveries are not touched: some may have ended since.
    fn insert_messages(&mut self) -> Result<(), Trouble> {
        self.accepts.retain(|incoming| incoming.fresh);
        self.accepts.sort_by_key(|incoming| incoming.accept.message.position);
        let mut pending = Vec::with_capacity(self.accepts.len());
        let mut insert = self.conn.prepare_cached(sql::MESSAGE_INSERT)?;
        for Incoming { accept, .. } in &self.accepts {
            if insert_message(&mut insert, accept)? {
                let message = &*accept.message;
                let (position, bytes) = (rows::position_column(message.position), message.queued_bytes());
                let row =
                    |to: &MailboxNo| (to.0, message.priority.rank(), position, rows::count_column(bytes));
                pending.extend(accept.mailboxes.iter().map(row));
            }
        }
        pending.sort_unstable();
        let mut insert = self.conn.prepare_cached(sql::PENDING_INSERT)?;
        for row in pending {
            insert.execute(row)?;
        }
        Ok(())
    }

    /// Applies what happened to deliveries that wait; to others nothing happens any more.
    fn change_deliveries(&mut self) -> Result<(), Trouble> {
        // Stable, so that changes of one delivery stay in their order.
        self.changes.sort_by_key(|change| change.cursor);
        let mut ended = Vec::with_capacity(self.changes.len());
        let mut delete = self.conn.prepare_cached(sql::PENDING_DELETE)?;
        let mut count = self.conn.prepare_cached(sql::PENDING_TRIED)?;
        for Change { cursor, what } in &self.changes {
            let (mailbox, rank) = (cursor.mailbox.0, cursor.priority.rank());
            let position = rows::position_column(cursor.position);
            match what {
                What::Tried(tries) => {
                    count.execute((mailbox, rank, position, tries))?;
                }
                What::Settle { at, outcome } => {
                    if delete.execute((mailbox, rank, position))? > 0 {
                        ended.push((position, mailbox, at.as_millis(), outcome.rank()));
                    }
                }
            }
        }
        ended.sort_unstable();
        let mut insert = self.conn.prepare_cached(sql::SETTLED_INSERT)?;
        for row in ended {
            insert.execute(row)?;
        }
        Ok(())
    }
}

/// Inserts one message; false when its position is taken, which means that it is there.
fn insert_message(insert: &mut CachedStatement<'_>, accept: &Accept) -> Result<bool, Trouble> {
    let message = &*accept.message;
    let (recip, target) = match &message.target {
        Target::Mailbox(mailbox) => (Some(*mailbox), None),
        Target::Spec(text) => (None, Some(&**text)),
    };
    let is_exactly_recip = matches!((recip, &*accept.mailboxes), (Some(to), [only]) if to == *only);
    let mailboxes = (!is_exactly_recip).then(|| rows::mailboxes_column(&accept.mailboxes));
    let changed = insert.execute(params![
        rows::position_column(message.position),
        message.at.as_millis(),
        message.mesh.0,
        message.sender.0,
        message.session.0,
        message.priority.rank(),
        recip.map(|mailbox| mailbox.0),
        target,
        mailboxes,
        message.client_message_id,
        message.request_fingerprint,
        message.reply_to,
        message.nonce,
        message.ciphertext,
    ])?;
    Ok(changed > 0)
}
