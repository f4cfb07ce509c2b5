//! What a host sends.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::count;
use crate::store::{
    Attempt, DaemonFound, DaemonReply, Forgetting, KeptSession, LaneName, OutRow, OutStatus, OutboxLoad,
    OutboxOp, OutboxQuery, Requeue, RequeueRefusal,
};

/// Rows by their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    rows: BTreeMap<u64, OutRow>,
    /// Places by keys and by ids.
    keys: BTreeMap<Box<str>, u64>,
    ids: BTreeMap<Box<str>, u64>,
    /// Places of rows that are not at their end, by lane.
    waiting: BTreeMap<LaneName, BTreeSet<u64>>,
    /// Of them, those that were given to a broker.
    inflight: BTreeSet<u64>,
    sessions: BTreeMap<[u8; 32], KeptSession>,
    /// The last place that was given out.
    last: u64,
}

impl Outbox {
    pub(super) fn apply(&mut self, op: &OutboxOp) -> DaemonReply {
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
                    let place = row.seq;
                    self.file(place);
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
                    let place = row.seq;
                    self.file(place);
                }
                DaemonReply::Done
            }
            OutboxOp::Reclaim { next_attempt_at, but } => {
                let meant = places(self.inflight(), |row| !but.contains(&row.id));
                self.change(&meant, |row| {
                    (row.status, row.next_attempt_at) = (OutStatus::Pending, *next_attempt_at);
                })
            }
            OutboxOp::Bury { mesh, before, error } => {
                let is_old = |row: &OutRow| before.is_none_or(|before| row.enqueued_at < before);
                self.bury(|row| row.lane.mesh == *mesh && is_old(row), error)
            }
            OutboxOp::BuryLane { lane, before, error } => {
                self.bury(|row| row.lane == *lane && row.enqueued_at < *before, error)
            }
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
            let place = old.seq;
            self.file(place);
        }
        DaemonReply::Requeued
    }

    fn forget(&mut self, forgetting: &Forgetting) -> DaemonReply {
        let Forgetting { before, limit } = *forgetting;
        let is_over = |row: &&OutRow| {
            matches!(row.status, OutStatus::Done | OutStatus::Dead) && row.enqueued_at < before
        };
        let mut over: Vec<u64> = self.rows.values().filter(is_over).map(|row| row.seq).collect();
        over.truncate(count(limit));
        for row in over.iter().filter_map(|seq| self.rows.remove(seq)) {
            self.keys.remove(&row.client_message_id);
            self.ids.remove(&row.id);
        }
        DaemonReply::Changed { rows: u64::try_from(over.len()).unwrap_or(u64::MAX) }
    }

    pub(super) fn find(&self, query: &OutboxQuery) -> DaemonFound {
        match query {
            OutboxQuery::Sessions => DaemonFound::Sessions(self.sessions.values().cloned().collect()),
            OutboxQuery::Key(key) => DaemonFound::Out(self.by_key(key).cloned().into_iter().collect()),
            OutboxQuery::Row(id) => DaemonFound::Out(self.row(id).cloned().into_iter().collect()),
            OutboxQuery::Lane { lane, after, limit } => {
                let lane = self.waiting.get(lane);
                let places = lane.into_iter().flat_map(|lane| lane.range(after.saturating_add(1)..));
                let rows = places.filter_map(|place| self.rows.get(place));
                let rows = rows.filter(|row| row.status == OutStatus::Pending);
                DaemonFound::Out(rows.take(count(*limit)).cloned().collect())
            }
            OutboxQuery::Lanes => DaemonFound::Lanes(self.waiting.keys().cloned().collect()),
            OutboxQuery::List { status, limit } => {
                let is_meant = |row: &&OutRow| status.is_none_or(|status| row.status == status);
                let mut rows: Vec<&OutRow> = match status {
                    Some(OutStatus::Inflight) => self.inflight().collect(),
                    Some(OutStatus::Pending) => self.waiting().filter(is_meant).collect(),
                    _ => self.rows.values().filter(is_meant).collect(),
                };
                rows.sort_by_key(|row| Reverse(row.seq));
                DaemonFound::Out(rows.into_iter().take(count(*limit)).cloned().collect())
            }
            OutboxQuery::Load => {
                let add = |load: OutboxLoad, row: &OutRow| OutboxLoad {
                    rows: load.rows + 1,
                    bytes: load.bytes + u64::try_from(row.ciphertext.len()).unwrap_or(u64::MAX),
                };
                DaemonFound::Load(self.waiting().fold(OutboxLoad::default(), add))
            }
        }
    }

    fn push(&mut self, row: OutRow) {
        self.last += 1;
        self.keys.insert(row.client_message_id.clone(), self.last);
        self.ids.insert(row.id.clone(), self.last);
        self.rows.insert(self.last, OutRow { seq: self.last, ..row });
        self.file(self.last);
    }

    fn bury(&mut self, is_meant: impl Fn(&OutRow) -> bool, error: &str) -> DaemonReply {
        let meant = places(self.waiting(), |row| row.status == OutStatus::Pending && is_meant(row));
        self.change(&meant, |row| (row.status, row.last_error) = (OutStatus::Dead, Some(error.into())))
    }

    /// Changes rows that are not at their end.
    fn change(&mut self, meant: &[u64], change: impl Fn(&mut OutRow)) -> DaemonReply {
        for place in meant {
            self.rows.get_mut(place).into_iter().for_each(&change);
            self.file(*place);
        }
        DaemonReply::Changed { rows: u64::try_from(meant.len()).unwrap_or(u64::MAX) }
    }

    /// A row may be at another point of its way.
    fn file(&mut self, place: u64) {
        let Some(row) = self.rows.get(&place) else { return };
        match row.status {
            OutStatus::Inflight => self.inflight.insert(place),
            _ => self.inflight.remove(&place),
        };
        if matches!(row.status, OutStatus::Pending | OutStatus::Inflight) {
            self.waiting.entry(row.lane.clone()).or_default().insert(place);
        } else if let Some(lane) = self.waiting.get_mut(&row.lane) {
            lane.remove(&place);
            if lane.is_empty() {
                self.waiting.remove(&row.lane);
            }
        }
    }

    fn inflight(&self) -> impl Iterator<Item = &OutRow> {
        self.inflight.iter().filter_map(|place| self.rows.get(place))
    }

    /// Rows that are not at their end, lane by lane.
    fn waiting(&self) -> impl Iterator<Item = &OutRow> {
        self.waiting.values().flatten().filter_map(|place| self.rows.get(place))
    }

    fn by_key(&self, key: &str) -> Option<&OutRow> {
        self.rows.get(self.keys.get(key)?)
    }

    fn row(&self, id: &str) -> Option<&OutRow> {
        self.rows.get(self.ids.get(id)?)
    }

    fn row_mut(&mut self, id: &str) -> Option<&mut OutRow> {
        self.rows.get_mut(self.ids.get(id)?)
    }
}

fn places<'a>(rows: impl Iterator<Item = &'a OutRow>, is_meant: impl Fn(&OutRow) -> bool) -> Vec<u64> {
    rows.filter(|row| is_meant(row)).map(|row| row.seq).collect()
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
