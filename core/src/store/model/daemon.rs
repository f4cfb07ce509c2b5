//! What every operation and question of a daemon means.

use std::collections::{BTreeMap, BTreeSet};

use crate::ids::PublicKey;
use crate::store::{
    Attempt, DaemonFound, DaemonOp, DaemonQuery, DaemonReply, Forgetting, InRow, InboxOp, InboxQuery,
    KeptSession, OutRow, OutStatus, OutboxLoad, OutboxOp, OutboxQuery, Reader, Requeue, RequeueRefusal,
    Sifting,
};

/// All rows of a daemon, by their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    outbox: BTreeMap<u64, OutRow>,
    /// The places of rows of the outbox by their keys and by their ids.
    keys: BTreeMap<Box<str>, u64>,
    ids: BTreeMap<Box<str>, u64>,
    inbox: BTreeMap<u64, InRow>,
    /// What the inbox has, with the ids of the rows.
    came: BTreeMap<Came, Box<str>>,
    sessions: BTreeMap<[u8; 32], KeptSession>,
    /// The last places that were given out, in the outbox and in the inbox.
    last_out: u64,
    last: u64,
}

/// Two messages are one when mesh, recipient, sender and key are the same.
type Came = (Box<str>, PublicKey, Box<str>, Box<str>);

fn came(row: &InRow) -> Came {
    (row.mesh.clone(), row.recipient, row.sender_pubkey.clone(), row.client_message_id.clone())
}

impl Kept {
    pub(super) fn apply(&mut self, op: &DaemonOp) -> DaemonReply {
        match op {
            DaemonOp::Outbox(op) => self.write_outbox(op),
            DaemonOp::Inbox(op) => self.write_inbox(op),
        }
    }

    pub(super) fn find(&self, query: &DaemonQuery) -> DaemonFound {
        match query {
            DaemonQuery::Outbox(query) => self.read_outbox(query),
            DaemonQuery::Inbox(InboxQuery::List { sifting, limit }) => {
                let mut rows: Vec<&InRow> = self.inbox.values().filter(|row| passes(sifting, row)).collect();
                rows.sort_by_key(|row| std::cmp::Reverse((row.received_at, row.seq)));
                DaemonFound::In(rows.into_iter().take(count(*limit)).cloned().collect())
            }
            DaemonQuery::Inbox(InboxQuery::Room) => {
                DaemonFound::Room { bytes: self.inbox.values().map(InRow::room_bytes).sum() }
            }
        }
    }

    fn write_outbox(&mut self, op: &OutboxOp) -> DaemonReply {
        match op {
            OutboxOp::Enqueue(row) => match self.by_key(&row.client_message_id) {
                Some(known) if known.id == row.id => DaemonReply::Inserted,
                Some(known) => DaemonReply::Known(Box::new(known.clone())),
                None => {
                    self.push((**row).clone());
                    DaemonReply::Inserted
                }
            },
            OutboxOp::Take { id, attempts } => match self.row_mut(id) {
                Some(row) if row.status == OutStatus::Pending => {
                    (row.status, row.attempts) = (OutStatus::Inflight, *attempts);
                    DaemonReply::Done
                }
                Some(row) if row.status == OutStatus::Inflight && row.attempts == *attempts => {
                    DaemonReply::Done
                }
                Some(_) | None => DaemonReply::Passed,
            },
            OutboxOp::Settle { id, attempts, outcome } => {
                if let Some(row) = self.row_mut(id)
                    && row.status == OutStatus::Inflight
                    && row.attempts == *attempts
                {
                    settle(row, outcome);
                }
                DaemonReply::Done
            }
            OutboxOp::Reclaim { next_attempt_at, but } => self.change(
                |row| row.status == OutStatus::Inflight && !but.contains(&row.id),
                |row| (row.status, row.next_attempt_at) = (OutStatus::Pending, *next_attempt_at),
            ),
            OutboxOp::Bury { mesh, before, error } => self.change(
                |row| {
                    let is_old = before.is_none_or(|before| row.enqueued_at < before);
                    row.status == OutStatus::Pending && row.lane.mesh == *mesh && is_old
                },
                |row| (row.status, row.last_error) = (OutStatus::Dead, Some(error.clone())),
            ),
            OutboxOp::BuryLane { lane, before, error } => self.change(
                |row| row.status == OutStatus::Pending && row.lane == *lane && row.enqueued_at < *before,
                |row| (row.status, row.last_error) = (OutStatus::Dead, Some(error.clone())),
            ),
            OutboxOp::Forget(forgetting) => self.forget(forgetting),
            OutboxOp::Requeue(requeue) => self.requeue(requeue),
            OutboxOp::KeepSession(row) => {
                self.sessions.insert(row.token, row.clone());
                DaemonReply::Done
            }
            OutboxOp::DropSessions(tokens) => {
                self.sessions.retain(|token, _| !tokens.contains(token));
                DaemonReply::Done
            }
        }
    }

    fn requeue(&mut self, requeue: &Requeue) -> DaemonReply {
        let Some(old) = self.row(&requeue.id) else {
            return DaemonReply::NotRequeued(RequeueRefusal::Unknown);
        };
        if old.superseded_by.as_ref() == Some(&requeue.new_id) {
            return DaemonReply::Requeued;
        }
        if !matches!(old.status, OutStatus::Pending | OutStatus::Dead) {
            return DaemonReply::NotRequeued(RequeueRefusal::Status(old.status));
        }
        if self.by_key(&requeue.new_client_message_id).is_some() {
            return DaemonReply::NotRequeued(RequeueRefusal::KeyUsed);
        }
        let new = OutRow {
            id: requeue.new_id.clone(),
            client_message_id: requeue.new_client_message_id.clone(),
            enqueued_at: requeue.at,
            next_attempt_at: requeue.at,
            attempts: 0,
            refusals: 0,
            status: OutStatus::Pending,
            last_error: None,
            ..old.clone()
        };
        self.push(new);
        if let Some(old) = self.row_mut(&requeue.id) {
            old.status = OutStatus::Aborted;
            old.ciphertext = "".into();
            old.aborted_at = Some(requeue.at);
            old.aborted_by = Some(requeue.by.clone());
            old.superseded_by = Some(requeue.new_id.clone());
        }
        DaemonReply::Requeued
    }

    fn forget(&mut self, forgetting: &Forgetting) -> DaemonReply {
        let Forgetting { before, limit } = *forgetting;
        let is_over = |row: &&OutRow| {
            matches!(row.status, OutStatus::Done | OutStatus::Dead) && row.enqueued_at < before
        };
        let mut over: Vec<u64> = self.outbox.values().filter(is_over).map(|row| row.seq).collect();
        over.truncate(count(limit));
        for row in over.iter().filter_map(|seq| self.outbox.remove(seq)) {
            self.keys.remove(&row.client_message_id);
            self.ids.remove(&row.id);
        }
        DaemonReply::Changed { rows: u64::try_from(over.len()).unwrap_or(u64::MAX) }
    }

    fn read_outbox(&self, query: &OutboxQuery) -> DaemonFound {
        let waits = |row: &&OutRow| matches!(row.status, OutStatus::Pending | OutStatus::Inflight);
        match query {
            OutboxQuery::Sessions => DaemonFound::Sessions(self.sessions.values().cloned().collect()),
            OutboxQuery::Key(key) => DaemonFound::Out(self.by_key(key).cloned().into_iter().collect()),
            OutboxQuery::Row(id) => DaemonFound::Out(self.row(id).cloned().into_iter().collect()),
            OutboxQuery::Lane { lane, after, limit } => {
                let rows = self.outbox.range(after.saturating_add(1)..).map(|(_, row)| row);
                let rows = rows.filter(|row| row.status == OutStatus::Pending && row.lane == *lane);
                DaemonFound::Out(rows.take(count(*limit)).cloned().collect())
            }
            OutboxQuery::Lanes => {
                let lanes: BTreeSet<_> =
                    self.outbox.values().filter(waits).map(|row| row.lane.clone()).collect();
                DaemonFound::Lanes(lanes.into_iter().collect())
            }
            OutboxQuery::List { status, limit } => {
                let rows = self.outbox.values().rev();
                let rows = rows.filter(|row| status.is_none_or(|status| row.status == status));
                DaemonFound::Out(rows.take(count(*limit)).cloned().collect())
            }
            OutboxQuery::Load => {
                let rows = self.outbox.values().filter(waits);
                let add = |load: OutboxLoad, row: &OutRow| OutboxLoad {
                    rows: load.rows + 1,
                    bytes: load.bytes + u64::try_from(row.ciphertext.len()).unwrap_or(u64::MAX),
                };
                DaemonFound::Load(rows.fold(OutboxLoad::default(), add))
            }
        }
    }

    fn write_inbox(&mut self, op: &InboxOp) -> DaemonReply {
        match op {
            InboxOp::Receive(row) => match self.came.get(&came(row)) {
                Some(known) if *known == row.id => DaemonReply::Inserted,
                Some(_) => DaemonReply::Existing,
                None => {
                    self.last += 1;
                    self.came.insert(came(row), row.id.clone());
                    self.inbox.insert(self.last, InRow { seq: self.last, ..(**row).clone() });
                    DaemonReply::Inserted
                }
            },
            InboxOp::See { reader, ids, at } => {
                let all = Sifting { unread: true, ..Sifting::all(reader.clone()) };
                let mut rows = 0;
                for row in self.inbox.values_mut().filter(|row| ids.contains(&row.id) && passes(&all, row)) {
                    row.seen_at = Some(*at);
                    rows += 1;
                }
                DaemonReply::Changed { rows }
            }
            InboxOp::Remove { sifting, ids } => {
                let before = self.inbox.len();
                let stays = |row: &InRow| {
                    !passes(sifting, row) || ids.as_ref().is_some_and(|ids| !ids.contains(&row.id))
                };
                for (_, row) in self.inbox.extract_if(.., |_, row| !stays(row)) {
                    self.came.remove(&came(&row));
                }
                DaemonReply::Changed { rows: u64::try_from(before - self.inbox.len()).unwrap_or(u64::MAX) }
            }
        }
    }

    fn push(&mut self, row: OutRow) {
        self.last_out += 1;
        self.keys.insert(row.client_message_id.clone(), self.last_out);
        self.ids.insert(row.id.clone(), self.last_out);
        self.outbox.insert(self.last_out, OutRow { seq: self.last_out, ..row });
    }

    fn change(&mut self, is_meant: impl Fn(&OutRow) -> bool, change: impl Fn(&mut OutRow)) -> DaemonReply {
        let mut rows = 0;
        for row in self.outbox.values_mut().filter(|row| is_meant(row)) {
            change(row);
            rows += 1;
        }
        DaemonReply::Changed { rows }
    }

    fn by_key(&self, key: &str) -> Option<&OutRow> {
        self.outbox.get(self.keys.get(key)?)
    }

    fn row(&self, id: &str) -> Option<&OutRow> {
        self.outbox.get(self.ids.get(id)?)
    }

    fn row_mut(&mut self, id: &str) -> Option<&mut OutRow> {
        self.outbox.get_mut(self.ids.get(id)?)
    }
}

fn settle(row: &mut OutRow, outcome: &Attempt) {
    match outcome {
        Attempt::Done { at, broker_message_id, reach } => {
            (row.status, row.last_error, row.delivered_at) = (OutStatus::Done, None, Some(*at));
            (row.broker_message_id, row.reach) = (Some(broker_message_id.clone()), *reach);
            row.ciphertext = "".into();
        }
        Attempt::Again { next_attempt_at, error, refusals } => {
            (row.status, row.last_error) = (OutStatus::Pending, Some(error.clone()));
            (row.next_attempt_at, row.refusals) = (*next_attempt_at, *refusals);
        }
        Attempt::Dead { error } => (row.status, row.last_error) = (OutStatus::Dead, Some(error.clone())),
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

fn count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
