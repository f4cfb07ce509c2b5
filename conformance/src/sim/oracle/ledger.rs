//! What was sent under which key, and what became of it: the oracle's own books.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::rc::Rc;

use peermesh_core::ids::{ConnId, MailboxNo, Position};
use peermesh_core::store::{Message, Outcome, Priority};
use peermesh_core::time::Mono;

use crate::sim::cast::Who;

/// What a send asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::sim) struct Meaning {
    pub target: String,
    pub priority: Priority,
    pub ciphertext: String,
    pub reply_to: Option<String>,
    pub fingerprint: Option<String>,
}

impl Meaning {
    /// Whether two sends are one request (mesh protocol, section 8.4). `mailbox_of` tells whose a target is
    /// that is one peer's key.
    pub(super) fn is_same(&self, other: &Meaning, mailbox_of: impl Fn(&str) -> Option<MailboxNo>) -> bool {
        let same_asked = match (&self.fingerprint, &other.fingerprint) {
            (Some(one), Some(two)) => one == two,
            _ => self.ciphertext == other.ciphertext && self.reply_to == other.reply_to,
        };
        let [one, two] = [self, other].map(|meaning| mailbox_of(&meaning.target));
        let same_target = self.target == other.target || one.is_some() && one == two;
        same_asked && same_target && self.priority == other.priority
    }

    /// Whether a message is what this asked for.
    pub(super) fn became(&self, message: &Message) -> bool {
        self.priority == message.priority
            && *self.ciphertext == *message.ciphertext
            && self.reply_to.as_deref() == message.reply_to.as_deref()
            && self.fingerprint.as_deref() == message.request_fingerprint.as_deref()
    }
}

/// One frame that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::sim) struct AttemptId {
    pub actor: usize,
    pub no: u64,
}

impl AttemptId {
    /// Reads the `id` of an ack.
    pub(in crate::sim) fn parse(text: &str) -> Option<AttemptId> {
        let (actor, no) = text.strip_prefix('a')?.split_once('.')?;
        Some(AttemptId { actor: actor.parse().ok()?, no: no.parse().ok()? })
    }
}

impl fmt::Display for AttemptId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a{}.{}", self.actor, self.no)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Attempt {
    pub who: Who,
    pub key: Option<String>,
    pub meaning: Rc<Meaning>,
    /// The store had the key before this was sent.
    pub was_known: bool,
    /// How often it was sent under this id and not answered.
    pub times: u32,
}

/// Everything under one key of one member.
#[derive(Debug, Default)]
pub(super) struct Sent {
    pub meanings: Vec<Rc<Meaning>>,
    /// The keys that sealed them, of members that sealed them themselves.
    pub sealers: BTreeSet<String>,
    /// When it was used first.
    pub first_at: u64,
    /// Sends whose answer has not left.
    pub open: u32,
    pub position: Option<Position>,
    /// Where it stood before the store forgot it, perhaps in the very commit that its broker asked in.
    pub forgotten: Option<Position>,
    /// A send of it was answered without saying what became of it.
    pub is_murky: bool,
    /// Somebody was told that it is new.
    pub is_confirmed: bool,
    /// All sends so far were answered, and all of them by a refusal after which nothing may come.
    pub is_refused: bool,
    /// It took from the budget once.
    pub is_charged: bool,
}

/// A message that was accepted.
#[derive(Debug)]
pub(super) struct Mail {
    pub message: std::sync::Arc<Message>,
    /// When it was accepted, in Unix milliseconds.
    pub at_ms: i64,
    /// The key that sealed it, where its member did.
    pub sealed_by: Option<String>,
    pub copies: BTreeMap<MailboxNo, Copy>,
}

/// A message on its way to one mailbox.
#[derive(Debug, Default)]
pub(super) struct Copy {
    pub ended: Option<Outcome>,
    pub pushes: u32,
    pub lent: Option<Lent>,
    /// Its recipient has said that it has it.
    pub is_acked: bool,
    /// By a pong, since it never acknowledges.
    pub is_ponged: bool,
    /// It was pushed where another copy of the same message may have been meant.
    pub is_blurred: bool,
    /// Its broker may not know of it: it was written when that had the answer of another try already.
    pub is_unseen: bool,
}

/// A push that stands until it is acknowledged, its connection ends, or its time does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lent {
    pub conn: ConnId,
    /// The broker that lent it, and when by its clock.
    pub number: u64,
    pub at: Mono,
}

/// The books.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub sent: BTreeMap<(Who, String), Sent>,
    pub attempts: BTreeMap<AttemptId, Attempt>,
    pub mail: BTreeMap<Position, Mail>,
    /// Copies that wait, for each mailbox.
    pub waiting: BTreeMap<MailboxNo, BTreeSet<Position>>,
    /// The write that is judged landed when its broker had the answer of another try already.
    pub is_late: bool,
    /// How many copies came so. Their broker does not count them, and may let as many more in (I10).
    pub unseen: BTreeMap<MailboxNo, u64>,
    pub accepted_copies: u64,
    pub ended_copies: u64,
    pub removed_copies: u64,
}

impl Ledger {
    pub(super) fn copy(&mut self, position: Position, mailbox: MailboxNo) -> Option<&mut Copy> {
        self.mail.get_mut(&position)?.copies.get_mut(&mailbox)
    }

    /// The copies of a mailbox that are out, with their loans.
    pub(super) fn lent_of(&self, mailbox: MailboxNo) -> impl Iterator<Item = (Position, &Copy, Lent)> {
        let waiting = self.waiting.get(&mailbox);
        let copies = waiting.into_iter().flatten().filter_map(move |position| {
            let copy = self.mail.get(position)?.copies.get(&mailbox)?;
            Some((*position, copy))
        });
        copies.filter_map(|(position, copy)| Some((position, copy, copy.lent?)))
    }
}
