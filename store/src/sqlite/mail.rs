//! Messages and deliveries: what is written for every message.
//!
//! *Always holds:* rows of one table are written in the order of their keys, so that neighbours share a page.
//! The outcome is that of the operations in their own order: they touch each other only through a message's
//! position or a client message id, and a message that follows a change of its own delivery or a look for its
//! own id starts a new round.

use std::collections::HashSet;

use peermesh_core::ids::{MailboxNo, Position};
use peermesh_core::store::{Accept, Accepted, Cursor, Outcome, Priority, Reply, Settled, Target};
use peermesh_core::time::Wall;
use rusqlite::{CachedStatement, Connection, params};

use super::arrivals::{Arrival, Arrivals};
use super::keys::{self, Claim, Keys};
use super::settled::{self, End};
use super::sql;
use super::trouble::Trouble;
use super::write::run;
use crate::rows::{self, Name};

/// Gathers the mail of one batch.
pub(super) struct Mail<'a> {
    conn: &'a Connection,
    keys: &'a mut Keys,
    arrivals: &'a mut Arrivals,
    accepts: Vec<Incoming<'a>>,
    /// Those that were lost with an earlier history and want their ids back.
    renames: Vec<(usize, &'a Accept, Position)>,
    sought: Vec<Sought<'a>>,
    changes: Vec<Change>,
    changed: HashSet<Position>,
}

struct Incoming<'a> {
    /// The operation's place in its batch.
    at: usize,
    accept: &'a Accept,
    /// Where its client message id would like to stand.
    key: Option<i64>,
    /// False once another message turned out to own its client message id, or this one to be over.
    fresh: bool,
}

/// A client message id that is looked up.
struct Sought<'a> {
    at: usize,
    key: i64,
    name: Name<'a>,
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
    pub(super) fn new(conn: &'a Connection, keys: &'a mut Keys, arrivals: &'a mut Arrivals) -> Mail<'a> {
        let (accepts, renames, sought, changes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Mail { conn, keys, arrivals, accepts, renames, sought, changes, changed: HashSet::new() }
    }

    /// Takes a message; `at` is the place of its reply.
    pub(super) fn accept(
        &mut self,
        at: usize,
        accept: &'a Accept,
        replies: &mut [Reply],
    ) -> Result<(), Trouble> {
        let key = Name::of(&accept.message).map(|name| name.home(&self.keys.hash));
        let is_sought = self.sought.iter().any(|sought| Some(sought.key) == key);
        if is_sought || self.changed.contains(&accept.message.position) {
            self.write(replies)?;
        }
        replies[at] = Reply::Inserted;
        self.renames.extend(accept.old.map(|old| (at, accept, old)));
        self.accepts.push(Incoming { at, accept, key, fresh: true });
        Ok(())
    }

    /// Looks for a client message id; `at` is the place of the reply.
    pub(super) fn find(&mut self, at: usize, name: Name<'a>) {
        self.sought.push(Sought { at, key: name.home(&self.keys.hash), name });
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

    /// Writes what was gathered, and lends what is known of keys and of deliveries that came lately.
    pub(super) fn written(&mut self, replies: &mut [Reply]) -> Result<(&mut Keys, &mut Arrivals), Trouble> {
        self.write(replies)?;
        Ok((self.keys, self.arrivals))
    }

    /// Writes what was gathered.
    pub(super) fn write(&mut self, replies: &mut [Reply]) -> Result<(), Trouble> {
        if !self.accepts.is_empty() {
            self.claim_keys(replies)?;
            self.insert_messages()?;
            self.accepts.clear();
            self.rename(replies)?;
            self.renames.clear();
        }
        self.look_up(replies)?;
        self.sought.clear();
        if !self.changes.is_empty() {
            self.change_deliveries()?;
            self.changes.clear();
            self.changed.clear();
        }
        Ok(())
    }

    /// Enters every client message id, and finds out whose was there before.
    fn claim_keys(&mut self, replies: &mut [Reply]) -> Result<(), Trouble> {
        let keyed = |(n, incoming): (usize, &Incoming<'_>)| Some((incoming.key?, n));
        let mut claims: Vec<(i64, usize)> = self.accepts.iter().enumerate().filter_map(keyed).collect();
        claims.sort_unstable();
        for (key, n) in claims {
            let message = &*self.accepts[n].accept.message;
            let Some(name) = Name::of(message) else { continue };
            let gathered = |position| {
                let mut messages = self.accepts.iter().map(|incoming| &*incoming.accept.message);
                messages.find(|other| other.position == position)
            };
            let claimed = keys::claim(self.conn, self.keys, key, (name, message.position), gathered)?;
            self.accepts[n].fresh = matches!(claimed, Claim::Won);
            if let Claim::Lost(seen) = claimed {
                replies[self.accepts[n].at] = Reply::Known(seen);
            }
        }
        Ok(())
    }

    fn look_up(&self, replies: &mut [Reply]) -> Result<(), Trouble> {
        for Sought { at, key, name } in &self.sought {
            let found = keys::find(self.conn, self.keys, *key, *name)?;
            replies[*at] = found.map_or(Reply::Free, Reply::Known);
        }
        Ok(())
    }

    /// Inserts the messages whose ids are theirs, and their deliveries. A message that is there already is
    /// the same write again, and its deliveries are not touched: some may have ended since.
    fn insert_messages(&mut self) -> Result<(), Trouble> {
        self.accepts.retain(|incoming| incoming.fresh);
        self.accepts.sort_by_key(|incoming| incoming.accept.message.position);
        let mut mentions = Vec::new();
        let mut insert = self.conn.prepare_cached(sql::MESSAGE_INSERT)?;
        for Incoming { accept, .. } in &self.accepts {
            if insert_message(&mut insert, accept)? {
                let message = &*accept.message;
                let position = rows::position_column(message.position);
                accept.mailboxes.iter().for_each(|to| self.arrivals.add(Arrival::new(message, *to)));
                mentions.extend(accept.mentions.iter().map(|member| (member.0, position)));
            }
        }
        mentions.sort_unstable();
        let mut insert = self.conn.prepare_cached(sql::MENTION_INSERT)?;
        for row in mentions {
            insert.execute(row)?;
        }
        Ok(())
    }

    /// Lets messages that are kept have the ids they had in a lost history.
    fn rename(&self, replies: &mut [Reply]) -> Result<(), Trouble> {
        for (at, Accept { message, .. }, old) in &self.renames {
            if replies[*at] != Reply::Inserted {
                continue;
            }
            let (position, old) = (rows::position_column(message.position), rows::position_column(*old));
            run(self.conn, sql::RENAME, (position, old, message.mesh.0))?;
            let renamed = self.conn.prepare_cached(sql::RENAMED_AS)?.exists((position, old))?;
            replies[*at] = Reply::Accepted(Accepted { renamed, receipt: None });
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
        let mut insert = self.conn.prepare_cached(sql::PENDING_INSERT)?;
        for Change { cursor, what } in &self.changes {
            let (mailbox, rank) = (cursor.mailbox.0, cursor.priority.rank());
            let position = rows::position_column(cursor.position);
            let arrived = self.arrivals.remove(*cursor);
            match what {
                What::Tried(tries) => {
                    // What has to be tried again waits longer than most.
                    if let Some(bytes) = arrived {
                        insert.execute((mailbox, rank, position, bytes))?;
                    }
                    count.execute((mailbox, rank, position, tries))?;
                }
                What::Settle { at, outcome } => {
                    if arrived.is_some() || delete.execute((mailbox, rank, position))? > 0 {
                        ended.push(End { position, mailbox, at: at.as_millis(), outcome: outcome.rank() });
                    }
                }
            }
        }
        settled::add(self.conn, ended)
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
