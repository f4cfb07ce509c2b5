//! The disk of a host: its daemon's two stores, and what can come between a request and its answer.
//!
//! *Always holds:* as on any disk, what has taken effect stays, whatever happens to the process.

use std::collections::BTreeMap;

use peermesh_core::ids::Ticket;
use peermesh_core::store::model::Model;
use peermesh_core::store::{
    Answer, DaemonFound, DaemonOp, DaemonQuery, DaemonReply, Driver, Found, Op, OutRow, OutStatus, OutboxOp,
    OutboxQuery, Query, Reply, Request, StoreError, StoreResult, Work,
};

use crate::sim::clock::MS;
use crate::sim::dice::Dice;
use crate::sim::disk::Refusal;
use crate::sim::marks::{Mark, Tally};

/// See the module's own words.
#[derive(Debug)]
pub(super) struct Attic {
    model: Model,
    pub mood: Mood,
    flights: BTreeMap<u64, Flight>,
    last: u64,
    dice: Dice,
}

/// How the disk behaves.
#[derive(Clone, Debug, Default)]
pub(super) struct Mood {
    /// Milliseconds that a request takes beside what it always takes, between these.
    pub slow_ms: (u64, u64),
    pub refuses: Option<Refusal>,
    /// Of a hundred writes, how many end without their outcome being told, half of them unwritten.
    pub unknown: u64,
}

#[derive(Debug)]
struct Flight {
    request: Request,
    result: Option<StoreResult>,
}

/// Operations that took effect, with what they were answered.
pub(super) type Written = Vec<(DaemonOp, DaemonReply)>;

impl Attic {
    pub(super) fn new(dice: Dice) -> Attic {
        let model = Model::new([0; 32]);
        Attic { model, mood: Mood::default(), flights: BTreeMap::new(), last: 0, dice }
    }

    /// Takes a request; gives its name and when to look at it.
    pub(super) fn submit(&mut self, at: u64, request: Request) -> (u64, u64) {
        self.last += 1;
        let (from, to) = self.mood.slow_ms;
        let wait = self.dice.between(100, 1_500) * 1_000 + self.dice.between(from, to) * MS;
        self.flights.insert(self.last, Flight { request, result: None });
        (self.last, at + wait)
    }

    /// The moment of a request has come: gives what it wrote, and when its answer is due.
    pub(super) fn step(&mut self, at: u64, no: u64, tally: &mut Tally) -> Option<(u64, Written)> {
        let work = self.flights.get(&no)?.request.work.clone();
        let answer_at = at + self.dice.between(50, 800) * 1_000;
        if self.mood.slow_ms.0 >= 500 {
            tally.mark(Mark::HostDiskSlow);
        }
        let unknown = StoreError::Unknown("as the seed has it".to_owned());
        let is_unknown = self.dice.chance(self.mood.unknown);
        let (result, written) = match (&work, self.refusal(&work)) {
            (_, Some(error)) => {
                let is_full = matches!(error, StoreError::Full);
                tally.mark(if is_full { Mark::HostDiskFull } else { Mark::HostDiskRefused });
                (Err(error), Vec::new())
            }
            (Work::Write(_), None) if is_unknown && self.dice.chance(50) => {
                tally.mark(Mark::HostDiskUnknown);
                (Err(unknown), Vec::new())
            }
            (Work::Write(_), None) => {
                let result = self.apply(&work);
                let written = written_of(&work, &result);
                (if is_unknown { Err(unknown) } else { result }, written)
            }
            (Work::Read(query), None) => (self.model.read(query), Vec::new()),
        };
        if let Some(flight) = self.flights.get_mut(&no) {
            flight.result = Some(result);
        }
        Some((answer_at, written))
    }

    fn refusal(&mut self, work: &Work) -> Option<StoreError> {
        let unavailable = || StoreError::Unavailable("as the seed has it".to_owned());
        match (self.mood.refuses?, work) {
            (Refusal::Unavailable, _) | (Refusal::Questions, Work::Read(_)) => Some(unavailable()),
            (Refusal::Full, Work::Write(_)) => Some(StoreError::Full),
            (Refusal::Busy, Work::Write(_)) if self.dice.chance(50) => {
                Some(StoreError::Busy("as the seed has it".to_owned()))
            }
            (Refusal::Busy | Refusal::Full | Refusal::Questions, _) => None,
        }
    }

    fn apply(&mut self, work: &Work) -> StoreResult {
        let Work::Write(batch) = work else { return Ok(Answer::Replies(Vec::new())) };
        let result = self.model.write(std::slice::from_ref(batch)).pop();
        result.unwrap_or_else(|| Ok(Answer::Replies(Vec::new())))
    }

    /// The answer to a request is due.
    pub(super) fn take_answer(&mut self, no: u64) -> Option<(Ticket, StoreResult)> {
        let Flight { request, result } = self.flights.remove(&no)?;
        Some((request.ticket, result?))
    }

    /// The process is dead: what it had under way is lost, or written.
    pub(super) fn die(&mut self, tally: &mut Tally) -> Written {
        let mut all = Vec::new();
        for (_, Flight { request, result }) in std::mem::take(&mut self.flights) {
            if result.is_some() || !matches!(request.work, Work::Write(_)) {
                continue;
            }
            if self.dice.chance(60) {
                tally.mark(Mark::HostLostWrite);
            } else {
                let result = self.apply(&request.work);
                all.extend(written_of(&request.work, &result));
            }
        }
        all
    }

    fn out(&mut self, query: OutboxQuery) -> Vec<OutRow> {
        match self.model.read(&Query::Daemon(DaemonQuery::Outbox(query))) {
            Ok(Answer::Found(found)) => match *found {
                Found::Daemon(DaemonFound::Out(rows)) => rows,
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    fn listed(&mut self, status: OutStatus) -> Vec<OutRow> {
        self.out(OutboxQuery::List { status: Some(status), limit: u32::MAX })
    }

    /// The row of a key.
    pub(super) fn row_of(&mut self, key: &str) -> Option<OutRow> {
        self.out(OutboxQuery::Key(key.into())).pop()
    }

    /// The row of that id.
    pub(super) fn row(&mut self, id: &str) -> Option<OutRow> {
        self.out(OutboxQuery::Row(id.into())).pop()
    }

    /// Rows that are not at their end.
    pub(super) fn waiting(&mut self) -> Vec<OutRow> {
        let mut rows = self.listed(OutStatus::Pending);
        rows.extend(self.inflight());
        rows
    }

    /// Rows that are not at their end and stand before this one in its lane.
    pub(super) fn older(&mut self, row: &OutRow) -> Vec<OutRow> {
        const PAGE: u32 = 16;
        let is_older = |older: &OutRow| older.seq < row.seq && older.lane == row.lane;
        let mut rows = self.inflight();
        rows.retain(is_older);
        let mut after = 0;
        loop {
            let page = self.out(OutboxQuery::Lane { lane: row.lane.clone(), after, limit: PAGE });
            let last = page.last().map(|last| last.seq);
            rows.extend(page.into_iter().filter(is_older));
            match last.filter(|last| *last < row.seq) {
                Some(last) => after = last,
                None => return rows,
            }
        }
    }

    /// Rows that were given to a broker.
    pub(super) fn inflight(&mut self) -> Vec<OutRow> {
        self.listed(OutStatus::Inflight)
    }

    /// Rows that were given up.
    pub(super) fn dead(&mut self) -> Vec<OutRow> {
        self.listed(OutStatus::Dead)
    }
}

fn written_of(work: &Work, result: &StoreResult) -> Written {
    let (Work::Write(batch), Ok(Answer::Replies(replies))) = (work, result) else { return Vec::new() };
    let both = batch.ops.iter().zip(replies).filter_map(|(op, reply)| match (op, reply) {
        (Op::Daemon(op), Reply::Daemon(reply)) => Some((op.clone(), reply.clone())),
        _ => None,
    });
    both.collect()
}

/// The row that an operation of the outbox is about, by its id.
pub(super) fn id_of(op: &OutboxOp) -> Option<&str> {
    match op {
        OutboxOp::Enqueue(row) => Some(&row.id),
        OutboxOp::Take { id, .. } | OutboxOp::Settle { id, .. } => Some(id),
        OutboxOp::Requeue(requeue) => Some(&requeue.new_id),
        OutboxOp::Reclaim { .. }
        | OutboxOp::Bury { .. }
        | OutboxOp::BuryLane { .. }
        | OutboxOp::Forget(_)
        | OutboxOp::KeepSession(_)
        | OutboxOp::DropSessions(_) => None,
    }
}
