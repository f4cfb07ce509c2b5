//! What one call of the write function carries, gathered from batches, and what it says.
//!
//! *Always holds:* the function writes mail first (messages, then it looks client ids up, then tries, then
//! ends of deliveries) and the rest after it, in order. The outcome is that of the operations in their own
//! order: mail and the rest do not touch each other, but for cases that begin another call: a message that
//! follows a change of its own delivery or a look for its own client id, and mail that follows a removal of
//! old messages.

use std::collections::{BTreeMap, HashMap, HashSet};

use peermesh_core::ids::{MailboxNo, Position};
use peermesh_core::store::{
    Accept, Batch, Cursor, Fence, Message, Op, Outcome, Priority, Reply, Seen, Settled, Target,
};
use peermesh_core::time::Wall;
use postgres::Row;
use postgres::types::{Json, ToSql};
use serde_json::Value;

use super::rare::{self, Said};
use super::receipts;
use super::seen::SeenRow;
use crate::rows::{self, BadRow, DedupeKeys, Name};

/// The place of an operation: which batch, which operation.
type Place = (usize, usize);

/// One call.
#[derive(Debug, Default)]
pub(super) struct Call<'a> {
    accepts: Vec<(Place, &'a Accept)>,
    /// Client ids that are only looked up.
    sought: Vec<(Place, Name<'a>)>,
    changes: BTreeMap<Cursor, Change>,
    changed: HashSet<Position>,
    rare: Vec<(Place, Value)>,
    /// Messages that ask for a receipt: all of them in the last call, when everything else is written.
    receipts: Vec<(Place, &'a Accept)>,
    draws: bool,
    prunes: bool,
}

#[derive(Clone, Copy, Debug)]
enum Change {
    Tried(u32),
    Settled(Wall, Outcome),
}

/// What becomes of a call.
#[derive(Debug)]
pub(super) enum Written {
    /// All of it was written.
    Replies(Vec<(Place, Reply)>),
    /// Nothing was: these fences are not held.
    Lost(Vec<Fence>),
}

/// The calls that write these batches in order: nearly always one.
pub(super) fn gather<'a>(batches: impl Iterator<Item = &'a Batch>) -> Vec<Call<'a>> {
    let mut calls = vec![Call::default()];
    let mut receipts = Vec::new();
    for (batch, ops) in batches.map(|batch| &batch.ops).enumerate() {
        for (at, op) in ops.iter().enumerate() {
            if calls.last().is_some_and(|call| call.must_end_before(op)) {
                calls.push(Call::default());
            }
            if let Op::Accept(accept) = op
                && accept.receipt.is_some()
            {
                receipts.push(((batch, at), accept));
            }
            if let Some(call) = calls.last_mut() {
                call.take((batch, at), op);
            }
        }
    }
    receipts.sort_by_key(|((batch, _), accept)| (*batch, accept.message.position));
    if let Some(call) = calls.last_mut() {
        call.receipts = receipts;
    }
    calls
}

impl<'a> Call<'a> {
    fn must_end_before(&self, op: &Op) -> bool {
        match op {
            Op::Accept(accept) => {
                let name = Name::of(&accept.message);
                let is_sought = self.sought.iter().any(|(_, sought)| Some(*sought) == name);
                self.prunes || is_sought || self.changed.contains(&accept.message.position)
            }
            Op::Find { .. } | Op::Settle(_) | Op::Tried { .. } => self.prunes,
            _ => false,
        }
    }

    fn take(&mut self, place: Place, op: &'a Op) {
        match op {
            Op::Accept(accept) => {
                self.accepts.push((place, accept));
                self.rare.extend(rare::asked(accept).map(|json| (place, json)));
            }
            Op::Find { mesh, sender, client_message_id: id } => {
                self.sought.push((place, Name { mesh: *mesh, sender: *sender, id }));
            }
            Op::Settle(Settled { position, mailbox, priority, at, outcome }) => {
                self.change(*position, *mailbox, *priority, Change::Settled(*at, *outcome));
            }
            Op::Tried { position, mailbox, priority, tries } => {
                self.change(*position, *mailbox, *priority, Change::Tried(*tries));
            }
            rest => {
                self.draws |= rare::draws(rest);
                self.prunes |= matches!(rest, Op::Prune { .. });
                self.rare.extend(rare::json(rest).map(|json| (place, json)));
            }
        }
    }

    /// A delivery that ended stays so, and of several counts the last is true.
    fn change(&mut self, position: Position, mailbox: MailboxNo, priority: Priority, to: Change) {
        self.changed.insert(position);
        let cursor = Cursor { mailbox, priority, position };
        let known = self.changes.entry(cursor).or_insert(to);
        if !matches!(known, Change::Settled(..)) {
            *known = to;
        }
    }

    /// Lends the arguments of the write function to `run`.
    pub(super) fn with_params<T>(
        &self,
        broker: i32,
        fences: &[Fence],
        keys: &DedupeKeys,
        run: impl FnOnce(&[&(dyn ToSql + Sync)]) -> T,
    ) -> T {
        let columns = Columns::of(self, fences, keys);
        let Columns { fences, keys, messages: m, pending: p, mentions: n, settled: s, tried: t, sought: f } =
            &columns;
        let receipts = receipts::json(self.receipts.iter().map(|((batch, _), accept)| (*batch, *accept)));
        let rare: Vec<&Value> = self.rare.iter().map(|(_, json)| json).chain(&receipts).collect();
        let rare = (!rare.is_empty()).then_some(Json(rare));
        run(&[
            &broker,
            &fences.0,
            &fences.1,
            &keys.0,
            &keys.1,
            &m.pos,
            &m.at,
            &m.mesh,
            &m.sender,
            &m.session,
            &m.key,
            &m.recip,
            &m.prio,
            &m.target,
            &m.mailboxes,
            &m.cmid,
            &m.fp,
            &m.reply_to,
            &m.nonce,
            &m.cipher,
            &p.recip,
            &p.prio,
            &p.pos,
            &p.said.0,
            &n.0,
            &n.1,
            &s.recip,
            &s.prio,
            &s.pos,
            &s.said.0,
            &s.said.1,
            &t.recip,
            &t.prio,
            &t.pos,
            &t.said.0,
            &f.0,
            &f.1,
            &f.2,
            &f.3,
            &rare,
            &self.draws,
        ])
    }

    /// Reads what the function said.
    pub(super) fn written(&self, row: &Row, fences: &[Fence]) -> Result<Written, BadRow> {
        let unreadable = |_| BadRow("a reply of the write function that cannot be read");
        let lost: Option<Vec<i64>> = row.try_get(0).map_err(unreadable)?;
        if let Some(lost) = lost.filter(|lost| !lost.is_empty()) {
            let fence = |place: &i64| fences.get(usize::try_from(*place - 1).ok()?).copied();
            return Ok(Written::Lost(lost.iter().filter_map(fence).collect()));
        }
        let again: Vec<i64> = row.try_get(1).map_err(unreadable)?;
        let first: Vec<i64> = row.try_get(2).map_err(unreadable)?;
        let owners: Vec<i64> = row.try_get(3).map_err(unreadable)?;
        let said: Option<Json<Vec<Said>>> = row.try_get(5).map_err(unreadable)?;
        let seen: Option<Json<Vec<SeenRow>>> = row.try_get(4).map_err(unreadable)?;
        let first_of: HashMap<i64, i64> = again.into_iter().zip(first).collect();
        let seen = seen.map(|Json(rows)| rows).unwrap_or_default();
        let seen: BTreeMap<Position, Seen> =
            seen.iter().map(|row| row.seen().map(|seen| (seen.position, seen))).collect::<Result<_, _>>()?;
        let known = |position: i64| {
            let seen = seen.get(&rows::position(position)?).cloned();
            Ok(Reply::Known(Box::new(seen.ok_or(BadRow("a client message id without its message"))?)))
        };
        let mut replies = Vec::with_capacity(self.accepts.len() + self.sought.len() + self.rare.len());
        for (place, accept) in &self.accepts {
            let position = rows::position_column(accept.message.position);
            let reply = match first_of.get(&position) {
                None => Reply::Inserted,
                // It was written before, and only a tombstone is left.
                Some(first) if *first == position => Reply::Inserted,
                Some(first) => known(*first)?,
            };
            replies.push((*place, reply));
        }
        if owners.len() != self.sought.len() {
            return Err(BadRow("not as many owners as client message ids"));
        }
        for ((place, _), owner) in self.sought.iter().zip(&owners) {
            replies.push((*place, if *owner == 0 { Reply::Free } else { known(*owner)? }));
        }
        let said = said.map(|Json(said)| said).unwrap_or_default();
        if said.len() != self.rare.len() + usize::from(!self.receipts.is_empty()) {
            return Err(BadRow("not as many replies as operations"));
        }
        let mut said = said.into_iter();
        for ((place, _), said) in self.rare.iter().zip(said.by_ref()) {
            replies.push((*place, said.reply()?));
        }
        if let Some(Said::Receipts { of }) = said.next() {
            for ((place, _), asked) in self.receipts.iter().zip(of) {
                replies.push((*place, asked.reply()?));
            }
        }
        Ok(Written::Replies(replies))
    }
}

/// The arguments as columns, each group in the order of its table's key.
struct Columns<'a> {
    fences: (Vec<i64>, Vec<i64>),
    keys: (Vec<i64>, Vec<i64>),
    messages: Messages<'a>,
    pending: Deliveries<(Vec<i32>,)>,
    /// Members, and the positions of what mentions them.
    mentions: (Vec<i64>, Vec<i64>),
    settled: Deliveries<(Vec<i64>, Vec<i16>)>,
    tried: Deliveries<(Vec<i32>,)>,
    sought: Names<'a>,
}

/// Rows about deliveries: where they wait, and what is said of them.
#[derive(Default)]
struct Deliveries<T> {
    recip: Vec<i64>,
    prio: Vec<i16>,
    pos: Vec<i64>,
    said: T,
}

impl<T> Deliveries<T> {
    fn push<Said>(&mut self, cursor: Cursor, said: Said)
    where
        T: Extend<Said>,
    {
        self.recip.push(cursor.mailbox.0);
        self.prio.push(rank(cursor.priority));
        self.pos.push(rows::position_column(cursor.position));
        self.said.extend([said]);
    }
}

/// Client ids: their keys, meshes, senders and texts.
type Names<'a> = (Vec<i64>, Vec<i64>, Vec<i64>, Vec<&'a [u8]>);

#[derive(Default)]
struct Messages<'a> {
    pos: Vec<i64>,
    at: Vec<i64>,
    mesh: Vec<i64>,
    sender: Vec<i64>,
    session: Vec<i64>,
    key: Vec<Option<i64>>,
    recip: Vec<Option<i64>>,
    prio: Vec<i16>,
    target: Vec<Option<&'a [u8]>>,
    mailboxes: Vec<Option<String>>,
    cmid: Vec<Option<&'a [u8]>>,
    fp: Vec<Option<&'a [u8]>>,
    reply_to: Vec<Option<&'a [u8]>>,
    nonce: Vec<&'a [u8]>,
    cipher: Vec<&'a [u8]>,
}

impl<'a> Columns<'a> {
    fn of(call: &Call<'a>, fences: &[Fence], keys: &DedupeKeys) -> Columns<'a> {
        let mut accepts: Vec<&Accept> = call.accepts.iter().map(|(_, accept)| *accept).collect();
        let key = |message: &Message| {
            let home = Name::of(message)?.home(keys);
            Some((home, rows::position_column(message.position)))
        };
        let sought =
            |(_, name): &(Place, Name<'a>)| (name.home(keys), name.mesh.0, name.sender.0, name.id.as_bytes());
        let mut claims: Vec<(i64, i64)> = accepts.iter().filter_map(|accept| key(&accept.message)).collect();
        // Stable, so that of two messages with one id the earlier one comes first.
        claims.sort_by_key(|(key, _)| *key);
        accepts.sort_by_key(|accept| accept.message.position);
        let mut columns = Columns {
            fences: fences.iter().map(|fence| (fence.mesh.0, rows::count_column(fence.epoch.0))).unzip(),
            keys: claims.into_iter().unzip(),
            messages: Messages::of(&accepts, |message| key(message).map(|(key, _)| key)),
            pending: Deliveries::default(),
            mentions: mentions(&accepts).into_iter().unzip(),
            settled: Deliveries::default(),
            tried: Deliveries::default(),
            sought: call.sought.iter().map(sought).collect(),
        };
        for (cursor, bytes) in deliveries(&accepts) {
            columns.pending.push(cursor, (integer(bytes),));
        }
        for (cursor, change) in &call.changes {
            match change {
                Change::Tried(tries) => columns.tried.push(*cursor, (integer(u64::from(*tries)),)),
                Change::Settled(at, outcome) => {
                    columns.settled.push(*cursor, (at.as_millis(), i16::from(outcome.rank())));
                }
            }
        }
        columns
    }
}

/// Whom these messages mention, in the order of the table's key.
fn mentions(accepts: &[&Accept]) -> Vec<(i64, i64)> {
    let of = |accept: &&Accept| {
        let position = rows::position_column(accept.message.position);
        accept.mentions.iter().map(move |member| (member.0, position)).collect::<Vec<_>>()
    };
    let mut mentions: Vec<(i64, i64)> = accepts.iter().flat_map(of).collect();
    mentions.sort_unstable();
    mentions.dedup();
    mentions
}

/// Where these messages wait, in the order of the table's key, with their bytes.
fn deliveries(accepts: &[&Accept]) -> Vec<(Cursor, u64)> {
    let mut deliveries = Vec::with_capacity(accepts.len());
    for Accept { message, mailboxes, .. } in accepts {
        let bytes = message.queued_bytes();
        let (priority, position) = (message.priority, message.position);
        let place = |mailbox: &MailboxNo| (Cursor { mailbox: *mailbox, priority, position }, bytes);
        deliveries.extend(mailboxes.iter().map(place));
    }
    deliveries.sort_unstable();
    deliveries.dedup();
    deliveries
}

impl<'a> Messages<'a> {
    fn of(accepts: &[&'a Accept], key: impl Fn(&Message) -> Option<i64>) -> Messages<'a> {
        let mut columns = Messages::default();
        for Accept { message, mailboxes, .. } in accepts.iter().copied() {
            let (recip, target) = match &message.target {
                Target::Mailbox(mailbox) => (Some(mailbox.0), None),
                Target::Spec(text) => (None, Some(text.as_bytes())),
            };
            let is_exactly_recip = matches!((recip, &**mailboxes), (Some(to), [only]) if to == only.0);
            columns.pos.push(rows::position_column(message.position));
            columns.at.push(message.at.as_millis());
            columns.mesh.push(message.mesh.0);
            columns.sender.push(message.sender.0);
            columns.session.push(message.session.0);
            columns.key.push(key(message));
            columns.recip.push(recip);
            columns.prio.push(rank(message.priority));
            columns.target.push(target);
            columns.mailboxes.push((!is_exactly_recip).then(|| array_text(mailboxes)));
            columns.cmid.push(message.client_message_id.as_deref().map(str::as_bytes));
            columns.fp.push(message.request_fingerprint.as_deref().map(str::as_bytes));
            columns.reply_to.push(message.reply_to.as_deref().map(str::as_bytes));
            columns.nonce.push(message.nonce.as_bytes());
            columns.cipher.push(message.ciphertext.as_bytes());
        }
        columns
    }
}

/// Mailboxes as the text of an array, ascending and each once: arrays of arrays of different lengths cannot
/// be arguments.
fn array_text(mailboxes: &[MailboxNo]) -> String {
    let mut sorted = mailboxes.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let numbers: Vec<String> = sorted.iter().map(MailboxNo::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}

fn rank(priority: Priority) -> i16 {
    i16::from(priority.rank())
}

/// A length or count as a column of four bytes.
fn integer(count: u64) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
