//! The store as brokers find it: the model, and what can come between a request and its answer.
//!
//! *Decides* when a request takes effect, when it is answered, and whether the answer is true. *Always
//! holds:* a write takes effect at one moment or never, whole or not at all; what has taken effect is never
//! lost.

use std::collections::BTreeMap;
use std::sync::Arc;

use peermesh_core::ids::Ticket;
use peermesh_core::store::model::Model;
use peermesh_core::store::{
    Alive, Answer, Batch, Driver, Durability, Query, Reply, Request, StoreError, StoreResult, Work,
};

use super::clock::MS;
use super::dice::Dice;
use super::marks::{Mark, Tally};

/// See the module's own words.
pub(super) struct Disk {
    pub model: Model,
    secret: [u8; 32],
    /// What each broker process meets.
    pub moods: Vec<Mood>,
    flights: BTreeMap<u64, Flight>,
    late: BTreeMap<u64, Late>,
    /// Until when each living broker owns what it owns, where others could take it.
    leases: BTreeMap<u64, u64>,
    lease: Option<u64>,
    last: u64,
    dice: Dice,
}

/// How the store treats one broker.
#[derive(Clone, Debug, Default)]
pub(super) struct Mood {
    /// Milliseconds that a request takes beside what it always takes, between these.
    pub slow_ms: (u64, u64),
    pub refuses: Option<Refusal>,
    /// Of a hundred writes, how many end without their outcome being told: written, lost, written later.
    pub unknown: [u64; 3],
    /// It says nothing before that.
    pub silent_until: u64,
    /// The next answer says that nothing can be trusted.
    pub is_corrupt: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Unavailable,
    /// Half of all writes.
    Busy,
    /// All writes.
    Full,
    /// All questions but pings.
    Questions,
}

/// A request that was not answered.
struct Flight {
    node: usize,
    life: u32,
    shard: u16,
    /// Who asks, as the store numbers them.
    number: u64,
    request: Request,
    result: Option<StoreResult>,
    /// It waited while the store said nothing.
    waited: bool,
}

/// A write whose asker has given up, and which takes effect all the same.
struct Late {
    number: u64,
    batch: Arc<Batch>,
    repeated: bool,
}

/// What happens at a moment that the disk asked for.
pub(super) enum Step {
    /// Look again then.
    Wait(u64),
    /// Done; the answer is due then. What was written, if anything was.
    Done { answer_at: u64, written: Option<Written>, late: Option<(u64, u64)> },
    /// Nobody waits for it any more.
    Void,
}

/// A write that took effect.
pub(super) struct Written {
    pub number: u64,
    pub batch: Arc<Batch>,
    pub replies: Vec<Reply>,
    /// It came when its broker had its answer, by another try, already.
    pub is_late: bool,
}

/// An answer on its way to a shard.
pub(super) struct Answered {
    pub node: usize,
    pub life: u32,
    pub shard: u16,
    pub ticket: Ticket,
    pub work: Work,
    pub result: StoreResult,
}

impl Disk {
    /// A store that other brokers can share, for that many milliseconds without a ping, or one of its own.
    pub(super) fn new(seed: u64, nodes: usize, lease_ms: Option<u64>) -> Disk {
        let mut dice = Dice::of(seed, "disk", 0);
        let secret = dice.key();
        let mut model = Model::new(secret);
        let alive = Alive {
            // What a broker is told ends before the store's own patience does.
            lease_ms: lease_ms.map(|lease_ms| lease_ms - lease_ms / 6),
            durability: Durability::Synced,
            history: model.history(),
            migrations: Arc::new(["V0001__mesh".to_owned()]),
        };
        model.says(alive);
        Disk {
            model,
            secret,
            moods: vec![Mood::default(); nodes],
            flights: BTreeMap::new(),
            late: BTreeMap::new(),
            leases: BTreeMap::new(),
            lease: lease_ms.map(|lease_ms| lease_ms * MS),
            last: 0,
            dice,
        }
    }

    /// A broker process begins; gives its number. The one before it of the same name is dead for sure.
    pub(super) fn join(&mut self, at: u64, before: Option<u64>) -> u64 {
        if let Some(before) = before {
            self.leases.remove(&before);
            self.model.leave(before);
        }
        let number = self.model.join();
        self.leases.insert(number, at + self.lease.unwrap_or(0));
        number
    }

    /// Takes a request; gives its name and when to look at it.
    pub(super) fn submit(
        &mut self,
        at: u64,
        (node, life, shard, number): (usize, u32, u16, u64),
        request: Request,
    ) -> (u64, u64) {
        self.last += 1;
        let usual = self.dice.between(200, 1_500) * 1_000;
        let is_ping = matches!(request.work, Work::Read(Query::Ping { .. }));
        let (from, to) = self.moods[node].slow_ms;
        let wait = match request.work {
            // Pings have a lane of their own, which no other request makes slow.
            Work::Read(Query::Ping { hold_ms }) => hold_ms * MS + usual,
            Work::Read(_) | Work::Write(_) => usual + self.dice.between(from, to) * MS,
        };
        let flight = Flight { node, life, shard, number, request, result: None, waited: is_ping };
        self.flights.insert(self.last, flight);
        (self.last, at + wait)
    }

    /// The moment of a request has come.
    pub(super) fn step(&mut self, at: u64, no: u64, tally: &mut Tally) -> Step {
        let Some(flight) = self.flights.get_mut(&no) else { return Step::Void };
        let mood = &mut self.moods[flight.node];
        if at < mood.silent_until {
            flight.waited = true;
            tally.mark(Mark::StoreHung);
            return Step::Wait(mood.silent_until + self.dice.below(50) * MS);
        }
        let answer_at = at + self.dice.between(50, 800) * 1_000;
        let (number, work) = (flight.number, flight.request.work.clone());
        if std::mem::take(&mut mood.is_corrupt) {
            tally.mark(Mark::Corrupt);
            return self.answer(no, answer_at, Err(StoreError::Corrupt("as the seed has it".to_owned())));
        }
        match work {
            Work::Read(query) => {
                let result = match mood.refuses {
                    Some(Refusal::Unavailable) => Err(unavailable()),
                    Some(Refusal::Questions) if !matches!(query, Query::Ping { .. }) => Err(unavailable()),
                    Some(_) | None => Ok(()),
                };
                match result {
                    Ok(()) => {
                        self.renew(at, number, &query);
                        let found = self.model.read(&query);
                        self.answer(no, answer_at, found)
                    }
                    Err(error) => {
                        tally.mark(Mark::ReadFailed);
                        self.answer(no, answer_at, Err(error))
                    }
                }
            }
            Work::Write(batch) => self.write(at, no, answer_at, &batch, tally),
        }
    }

    fn renew(&mut self, at: u64, number: u64, query: &Query) {
        if let (Query::Ping { .. }, Some(lease)) = (query, self.lease)
            && self.leases.contains_key(&number)
        {
            self.leases.insert(number, at + lease);
        }
    }

    fn write(&mut self, at: u64, no: u64, answer_at: u64, batch: &Arc<Batch>, tally: &mut Tally) -> Step {
        let flight = &self.flights[&no];
        let (number, waited) = (flight.number, flight.waited);
        let mood = self.moods[flight.node].clone();
        let refused = match mood.refuses {
            Some(Refusal::Unavailable) => Some((Mark::Refused, unavailable())),
            Some(Refusal::Full) => Some((Mark::Full, StoreError::Full)),
            Some(Refusal::Busy) if self.dice.chance(50) => {
                Some((Mark::Busy, StoreError::Busy("as the seed has it".to_owned())))
            }
            Some(Refusal::Busy | Refusal::Questions) | None => None,
        };
        if let Some((mark, error)) = refused {
            tally.mark(mark);
            return self.answer(no, answer_at, Err(error));
        }
        let unknown = || Err(StoreError::Unknown("as the seed has it".to_owned()));
        // A store that comes back after a silence may have lost what was under way, and says so or not.
        let odds = if waited { [20, 20, 20] } else { mood.unknown };
        let drawn = self.dice.below(100);
        let [written, lost, later] = odds;
        if drawn < written {
            tally.mark(Mark::UnknownWritten);
            let result = self.apply(at, number, batch);
            let written = written_of(number, batch, &result);
            self.set(no, unknown());
            return Step::Done { answer_at, written, late: None };
        }
        if drawn < written + lost {
            tally.mark(Mark::UnknownLost);
            return self.answer(no, answer_at, unknown());
        }
        if drawn < written + lost + later {
            let late = self.put_off(at, number, batch);
            self.set(no, unknown());
            return Step::Done { answer_at, written: None, late: Some(late) };
        }
        let result = self.apply(at, number, batch);
        if let Err(StoreError::Fenced(_)) = &result {
            tally.mark(Mark::Fenced);
        }
        let written = written_of(number, batch, &result);
        self.set(no, result);
        Step::Done { answer_at, written, late: None }
    }

    fn answer(&mut self, no: u64, answer_at: u64, result: StoreResult) -> Step {
        self.set(no, result);
        Step::Done { answer_at, written: None, late: None }
    }

    fn set(&mut self, no: u64, result: StoreResult) {
        if let Some(flight) = self.flights.get_mut(&no) {
            flight.result = Some(result);
        }
    }

    fn put_off(&mut self, at: u64, number: u64, batch: &Arc<Batch>) -> (u64, u64) {
        self.last += 1;
        let wait = *self.dice.pick(&[3, 40, 300, 2_000, 9_000]);
        self.late.insert(self.last, Late { number, batch: Arc::clone(batch), repeated: false });
        (self.last, at + self.dice.between(1, wait) * MS)
    }

    /// A late write takes effect.
    pub(super) fn land(&mut self, at: u64, no: u64, tally: &mut Tally) -> Option<Written> {
        let Late { number, batch, repeated } = self.late.remove(&no)?;
        tally.mark(Mark::UnknownLate);
        if repeated {
            tally.mark(Mark::UnknownLateAfterRetry);
        }
        let result = self.apply(at, number, &batch);
        let written = written_of(number, &batch, &result)?;
        Some(Written { is_late: repeated, ..written })
    }

    /// A batch takes effect as its broker's, while others own what is theirs.
    fn apply(&mut self, at: u64, number: u64, batch: &Arc<Batch>) -> StoreResult {
        for late in self.late.values_mut().filter(|late| Arc::ptr_eq(&late.batch, batch)) {
            late.repeated = true;
        }
        for (broker, until) in &self.leases {
            if self.lease.is_none() || at < *until {
                self.model.renew(*broker);
            } else {
                self.model.leave(*broker);
            }
        }
        self.model.act_as(number);
        let result = self.model.write(std::slice::from_ref(batch)).pop();
        result.unwrap_or_else(|| Err(unavailable()))
    }

    /// The answer to a request is due.
    pub(super) fn take_answer(&mut self, no: u64) -> Option<Answered> {
        let Flight { node, life, shard, request, result, .. } = self.flights.remove(&no)?;
        let Request { ticket, work } = request;
        Some(Answered { node, life, shard, ticket, work, result: result? })
    }

    /// What a request that is under way would do.
    pub(super) fn work(&self, no: u64) -> Option<(usize, &Work)> {
        self.flights.get(&no).map(|flight| (flight.node, &flight.request.work))
    }

    /// A transaction is rolled back: nothing of it ever happens.
    pub(super) fn forget(&mut self, no: u64) {
        self.flights.remove(&no);
    }

    /// What message ids of this store are made with.
    pub(super) fn secret(&self) -> [u8; 32] {
        self.secret
    }

    /// A process is dead: what it had under way is lost, written, or (where others serve it) written later.
    pub(super) fn die(
        &mut self,
        at: u64,
        (node, life): (usize, u32),
        tally: &mut Tally,
    ) -> (Vec<Written>, Vec<(u64, u64)>) {
        let all: Vec<u64> = self
            .flights
            .iter()
            .filter(|(_, flight)| flight.node == node && flight.life == life)
            .map(|(no, _)| *no)
            .collect();
        let (mut written, mut late) = (Vec::new(), Vec::new());
        for no in all {
            let Some(Flight { number, request, result: None, .. }) = self.flights.remove(&no) else {
                continue;
            };
            let Work::Write(batch) = request.work else { continue };
            if at < self.moods[node].silent_until || self.dice.chance(60) {
                tally.mark(Mark::LostWrite);
            } else if self.lease.is_some() && self.dice.chance(50) {
                late.push(self.put_off(at, number, &batch));
            } else {
                tally.mark(Mark::KeptWrite);
                let result = self.apply(at, number, &batch);
                written.extend(written_of(number, &batch, &result));
            }
        }
        (written, late)
    }

    /// True while a lease that the broker still counts on has run out here.
    pub(super) fn has_lapsed(&self, at: u64, number: u64) -> bool {
        self.lease.is_some() && self.leases.get(&number).is_some_and(|until| *until <= at)
    }

    /// Faults stop.
    pub(super) fn heal(&mut self) {
        self.moods.fill(Mood::default());
    }
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("as the seed has it".to_owned())
}

fn written_of(number: u64, batch: &Arc<Batch>, result: &StoreResult) -> Option<Written> {
    match result {
        Ok(Answer::Replies(replies)) => {
            Some(Written { number, batch: Arc::clone(batch), replies: replies.clone(), is_late: false })
        }
        Ok(Answer::Found(_)) | Err(_) => None,
    }
}
