//! What came for a host.

use std::collections::{BTreeMap, BTreeSet};

use super::count;
use crate::ids::PublicKey;
use crate::store::{DaemonFound, DaemonReply, InRow, InboxOp, InboxQuery, Reader, Sifting};
use crate::time::Wall;

/// Rows by their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbox {
    rows: BTreeMap<u64, InRow>,
    /// Places by ids.
    ids: BTreeMap<Box<str>, u64>,
    /// Places in the order in which rows came.
    order: BTreeSet<(Wall, u64)>,
    /// The same of those that nobody has seen.
    unseen: BTreeSet<(Wall, u64)>,
    /// What came, with the ids of the rows.
    came: BTreeMap<Came, Box<str>>,
    /// The last place that was given out.
    last: u64,
}

/// Two messages are one when mesh, recipient, sender and key are the same.
type Came = (Box<str>, PublicKey, Box<str>, Box<str>);

fn came(row: &InRow) -> Came {
    (row.mesh.clone(), row.recipient, row.sender_pubkey.clone(), row.client_message_id.clone())
}

impl Inbox {
    pub(super) fn apply(&mut self, op: &InboxOp) -> DaemonReply {
        match op {
            InboxOp::Receive(row) => match self.came.get(&came(row)) {
                Some(known) if *known == row.id => DaemonReply::Inserted,
                Some(_) => DaemonReply::Existing,
                None => {
                    self.push((**row).clone());
                    DaemonReply::Inserted
                }
            },
            InboxOp::See { reader, ids, at } => {
                let all = Sifting { unread: true, ..Sifting::all(reader.clone()) };
                let mut rows = 0;
                for id in ids {
                    let row = self.ids.get(id).and_then(|place| self.rows.get_mut(place));
                    if let Some(row) = row.filter(|row| passes(&all, row)) {
                        row.seen_at = Some(*at);
                        self.unseen.remove(&(row.received_at, row.seq));
                        rows += 1;
                    }
                }
                DaemonReply::Changed { rows }
            }
            InboxOp::Remove { sifting, ids } => {
                let goes = |row: &&InRow| {
                    passes(sifting, row) && ids.as_ref().is_none_or(|ids| ids.contains(&row.id))
                };
                let gone: Vec<u64> = self.rows.values().filter(goes).map(|row| row.seq).collect();
                gone.iter().for_each(|place| self.remove(*place));
                DaemonReply::Changed { rows: u64::try_from(gone.len()).unwrap_or(u64::MAX) }
            }
        }
    }

    pub(super) fn find(&self, query: &InboxQuery) -> DaemonFound {
        match query {
            InboxQuery::List { sifting, limit } => {
                let order = if sifting.unread { &self.unseen } else { &self.order };
                let rows = order.iter().rev().filter_map(|(_, place)| self.rows.get(place));
                let rows = rows.filter(|row| passes(sifting, row));
                DaemonFound::In(rows.take(count(*limit)).cloned().collect())
            }
            InboxQuery::Room => DaemonFound::Room { bytes: self.rows.values().map(InRow::room_bytes).sum() },
        }
    }

    fn push(&mut self, row: InRow) {
        self.last += 1;
        let place = (row.received_at, self.last);
        self.order.insert(place);
        if row.seen_at.is_none() {
            self.unseen.insert(place);
        }
        self.came.insert(came(&row), row.id.clone());
        self.ids.insert(row.id.clone(), self.last);
        self.rows.insert(self.last, InRow { seq: self.last, ..row });
    }

    fn remove(&mut self, place: u64) {
        let Some(row) = self.rows.remove(&place) else { return };
        self.came.remove(&came(&row));
        self.ids.remove(&row.id);
        self.order.remove(&(row.received_at, place));
        self.unseen.remove(&(row.received_at, place));
    }
}

fn passes(sifting: &Sifting, row: &InRow) -> bool {
    let Sifting { reader, mesh, topic, from, since, before, unread } = sifting;
    let may_see = match reader {
        Reader::Host => true,
        Reader::AllBut { mesh, keys } => row.mesh == *mesh && !keys.contains(&row.recipient),
    };
    let is_from =
        |from: &str| &*row.sender_pubkey == from || row.sender_member_pubkey.as_deref() == Some(from);
    may_see
        && mesh.as_ref().is_none_or(|mesh| row.mesh == *mesh)
        && topic.as_ref().is_none_or(|topic| row.topic.as_ref() == Some(topic))
        && from.as_deref().is_none_or(is_from)
        && since.is_none_or(|since| row.received_at >= since)
        && before.is_none_or(|before| row.received_at < before)
        && !(*unread && row.seen_at.is_some())
}
