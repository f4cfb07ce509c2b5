//! What must belong together.

use super::write::{client_key, cursor};
use super::{Kept, Model};
use crate::ids::{MailboxNo, MeshId, MeshNo, Position};
use crate::store::{CheckPage, CheckPart, CheckPlace, Priority, Stray, StrayKind};

/// A row of a part: by what it is ordered, how many rows it counts for in its page, what is wrong with it.
type Looked = ([i64; 3], u64, Vec<Stray>);

impl Model {
    /// A page of the check.
    pub(super) fn check(&self, at: CheckPlace, limit: usize) -> CheckPage {
        let rows: Box<dyn Iterator<Item = Looked>> = match at.part {
            CheckPart::Keys => Box::new(self.check_keys()),
            CheckPart::Messages => Box::new(self.check_messages()),
            CheckPart::Tombstones => Box::new(self.check_tombstones()),
            CheckPart::Waiting => Box::new(self.check_waiting()),
            CheckPart::Ended => Box::new(self.check_ended()),
        };
        let mut page = CheckPage { rows: 0, strays: Vec::new(), next: None };
        let mut last = None;
        let mut size = 0;
        for (order, count, strays) in rows.filter(|(order, ..)| *order >= at.from) {
            page.rows += 1;
            page.strays.extend(strays);
            size += count;
            if size >= limit as u64 {
                last = Some(order);
                break;
            }
        }
        page.next = CheckPlace::behind(at.part, last);
        page
    }

    /// Keys are counted, for they have no numbers here.
    fn check_keys(&self) -> impl Iterator<Item = Looked> {
        (0..).zip(&self.accepted).map(|(n, ((mesh, ..), position))| {
            let is_kept = self.messages.contains_key(position) || self.tombstones.contains_key(position);
            let stray = (!is_kept).then(|| self.stray(StrayKind::KeyWithoutMessage, *position, *mesh));
            ([0, 0, n], 1, stray.into_iter().collect())
        })
    }

    fn check_messages(&self) -> impl Iterator<Item = Looked> {
        self.messages.iter().map(|(position, kept)| {
            let mesh = kept.message.mesh;
            let owner = client_key(&kept.message).map(|key| self.accepted.get(&key) == Some(position));
            let stray =
                (owner == Some(false)).then(|| self.stray(StrayKind::MessageWithoutKey, *position, mesh));
            let fateless = kept.mailboxes.iter().filter(|mailbox| !self.has_one_fate(kept, **mailbox));
            let fateless = fateless.map(|_| self.stray(StrayKind::RecipientWithoutFate, *position, mesh));
            let count = 1 + kept.mailboxes.len() as u64;
            (order(*position), count, stray.into_iter().chain(fateless).collect())
        })
    }

    fn check_tombstones(&self) -> impl Iterator<Item = Looked> {
        self.tombstones.iter().map(|(position, tomb)| {
            let is_known = self.accepted.get(&tomb.key) == Some(position);
            let stray = (!is_known).then(|| self.stray(StrayKind::MessageWithoutKey, *position, tomb.key.0));
            (order(*position), 1, stray.into_iter().collect())
        })
    }

    fn check_waiting(&self) -> impl Iterator<Item = Looked> {
        self.pending.keys().map(|cursor| {
            let stray = self.without_message(cursor.position, cursor.mailbox);
            let Position(position) = cursor.position;
            let rank = i64::from(Priority::rank(cursor.priority));
            ([cursor.mailbox.0, rank, position.cast_signed()], 1, stray.into_iter().collect())
        })
    }

    fn check_ended(&self) -> impl Iterator<Item = Looked> {
        self.settled.keys().map(|(position, mailbox)| {
            let stray = self.without_message(*position, *mailbox);
            ([0, position.0.cast_signed(), mailbox.0], 1, stray.into_iter().collect())
        })
    }

    fn without_message(&self, position: Position, mailbox: MailboxNo) -> Option<Stray> {
        let mesh = self.mailboxes.get(&mailbox).map(|mailbox| self.meshes[&mailbox.mesh].id.clone());
        let kind = StrayKind::DeliveryWithoutMessage;
        (!self.messages.contains_key(&position)).then_some(Stray { kind, position, mesh })
    }

    /// Whether a message waits for a mailbox or has ended for it, and not both.
    fn has_one_fate(&self, kept: &Kept, mailbox: MailboxNo) -> bool {
        let waits = self.pending.contains_key(&cursor(&kept.message, mailbox));
        waits != self.settled.contains_key(&(kept.message.position, mailbox))
    }

    fn stray(&self, kind: StrayKind, position: Position, mesh: MeshNo) -> Stray {
        let mesh: Option<MeshId> = self.meshes.get(&mesh).map(|mesh| mesh.id.clone());
        Stray { kind, position, mesh }
    }
}

fn order(position: Position) -> [i64; 3] {
    [0, 0, position.0.cast_signed()]
}
