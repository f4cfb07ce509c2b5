//! What a test may look at without asking as a broker would.

use std::ops::Bound;
use std::sync::Arc;

use super::Model;
use crate::ids::{Epoch, MailboxNo, MeshNo, Position, PublicKey, RunnerId};
use crate::store::{Cursor, EventRow, Message, Outcome, Priority};

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It waits.
    Pending,
    /// It ended.
    Ended(Outcome),
}

impl Model {
    /// The broker that owns a mesh, and since which change of owner; none where nobody does.
    pub fn owner_of(&self, mesh: MeshNo) -> Option<(u64, Epoch)> {
        let scope = self.owners.scopes.get(&mesh)?;
        Some((scope.owner?, scope.epoch))
    }

    /// A message that is kept, and whom it was accepted for.
    pub fn message(&self, position: Position) -> Option<(&Arc<Message>, &[MailboxNo])> {
        self.messages.get(&position).map(|kept| (&kept.message, &*kept.mailboxes))
    }

    /// True for a message that is kept, or whose key is.
    pub fn is_known(&self, position: Position) -> bool {
        self.messages.contains_key(&position) || self.tombstones.contains_key(&position)
    }

    /// Where a delivery of a kept message stands.
    pub fn fate(&self, message: &Message, mailbox: MailboxNo) -> Option<Fate> {
        let cursor = Cursor { mailbox, priority: message.priority, position: message.position };
        if self.pending.contains_key(&cursor) {
            return Some(Fate::Pending);
        }
        self.settled.get(&(message.position, mailbox)).map(|(_, outcome)| Fate::Ended(*outcome))
    }

    /// The message that a sender's key stands for, whether it is kept or only known.
    pub fn position_of(&self, mesh: MeshNo, sender: MailboxNo, key: &str) -> Option<Position> {
        self.accepted.get(&(mesh, sender, key.into())).copied()
    }

    /// The mailbox that a key addresses in a mesh.
    pub fn mailbox_of(&self, mesh: MeshNo, key: &PublicKey) -> Option<MailboxNo> {
        self.keys.get(&(mesh, *key)).copied()
    }

    /// The mailbox that a key addresses, or addressed before it was replaced.
    pub fn mailbox_ever(&self, mesh: MeshNo, key: &PublicKey) -> Option<MailboxNo> {
        let former = || Some(self.former.get(&(mesh, *key))?.member);
        self.mailbox_of(mesh, key).or_else(former)
    }

    /// The member whose mailbox it is, and whether that one was removed.
    pub fn member_of(&self, mailbox: MailboxNo) -> Option<(MailboxNo, bool)> {
        let member = self.mailboxes.get(&mailbox)?.member;
        Some((member, self.members.get(&member)?.revoked_at.is_some()))
    }

    /// Positions that wait in a lane of a mailbox, oldest first.
    pub fn waiting(&self, mailbox: MailboxNo, priority: Priority) -> impl Iterator<Item = Position> {
        let first = Bound::Included(Cursor { mailbox, priority, position: Position::ZERO });
        let last = Bound::Included(Cursor { mailbox, priority, position: Position(u64::MAX) });
        self.pending.range((first, last)).map(|(cursor, _)| cursor.position)
    }

    /// All deliveries that wait.
    pub fn all_waiting(&self) -> impl Iterator<Item = Cursor> {
        self.pending.keys().copied()
    }

    /// Events of a runner that the target has not taken, oldest first.
    pub fn events_of(&self, runner: &RunnerId) -> impl Iterator<Item = &EventRow> {
        let kept = self.runners.find(runner);
        kept.into_iter().flat_map(|kept| kept.events.values())
    }

    /// True when an event of that id was stored, whatever became of it since.
    pub fn knows_event(&self, runner: &RunnerId, id: &str) -> bool {
        self.runners.find(runner).is_some_and(|kept| kept.seen.contains_key(id))
    }

    /// Commands of a runner that wait for it.
    pub fn commands_of(&self, runner: &RunnerId) -> usize {
        self.runners.find(runner).map_or(0, |kept| kept.commands.len())
    }
}
