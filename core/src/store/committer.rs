//! Gathers writes while a batch flies, and hands continuations back in the order they were staged.
//!
//! *Decides:* when a batch starts and what is in it; whether a batch of unknown outcome is tried again; how
//! many questions the store has at once.
//! *Does not:* know what an operation means, or look at its reply.
//! *Always holds:* at most one write batch is in flight or waits for its next try. Batches are cut from the
//! front of what was staged, so results come back in staging order. A question sees every batch that was
//! `stored` before it was asked and may or may not see any later one: whoever needs to read its own write
//! asks in that write's continuation.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::{Answer, Batch, Found, Op, Query, Reply, Request, StoreError, StoreResult, Work};
use crate::config::{Limits, size};
use crate::ids::Ticket;
use crate::machine::{Output, Outputs};
use crate::time::Mono;

/// When a batch returns and this many operations have gathered meanwhile, the shard is under load: the next
/// batches are spaced out so that they hold enough messages to share a commit's cost.
const LOADED_OPS: usize = 8;

/// What became of something staged or asked.
#[derive(Debug)]
pub(crate) enum Ended {
    /// A staged operation's reply.
    Done(Reply),
    /// A question's answer.
    Found(Box<Found>),
    /// It was not performed; after `Unknown`, a write may have been.
    Refused(StoreError),
}

/// Stages operations and questions, each with an `A`: what to go on with when it has ended.
#[derive(Debug)]
pub(crate) struct Committer<A> {
    bounds: Bounds,
    tickets: u64,
    /// What waits for the next batch: operations and continuations, place by place.
    ops: Vec<Op>,
    afters: Vec<A>,
    flight: Option<Flight<A>>,
    /// When the last batch started, and from when on the next one may.
    started: Mono,
    open_from: Mono,
    asked: BTreeMap<Ticket, A>,
    waiting: VecDeque<(Query, A)>,
    overflow: Vec<A>,
    sent: u64,
    repeated: u64,
    /// Emptied lists of the batch before, kept for their room.
    spare: (Vec<Op>, Vec<A>),
}

/// The limits this file keeps to.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    messages: usize,
    ops: usize,
    spacing_nanos: u64,
    tries: u64,
    retry_ms_min: u64,
    retry_ms_max: u64,
    asked: usize,
    waiting: usize,
}

/// The one batch whose outcome is not known yet.
#[derive(Debug)]
struct Flight<A> {
    batch: Arc<Batch>,
    afters: Vec<A>,
    tries: u64,
    state: FlightState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlightState {
    /// The store has it under this ticket.
    Flying(Ticket),
    /// It waits for its next (or first) try at this time.
    Waiting(Mono),
}

impl<A> Flight<A> {
    /// What an error of the last try says about all tries together: an earlier one, whose outcome was
    /// unknown, may have been written even if the last one surely was not.
    fn so_far(&self, error: StoreError) -> StoreError {
        match error {
            StoreError::Unavailable(_) | StoreError::Full if self.tries > 1 => {
                StoreError::Unknown(error.to_string())
            }
            StoreError::Unavailable(_)
            | StoreError::Full
            | StoreError::Corrupt(_)
            | StoreError::Unknown(_) => error,
        }
    }
}

impl<A> Committer<A> {
    /// A committer with nothing staged.
    pub(crate) fn new(limits: &Limits) -> Committer<A> {
        Committer {
            bounds: Bounds {
                messages: size(limits.batch_messages_max()),
                ops: size(limits.batch_ops_max()),
                spacing_nanos: limits.commit_spacing_us().saturating_mul(1_000),
                tries: limits.commit_tries_max(),
                retry_ms_min: limits.commit_retry_ms_min(),
                retry_ms_max: limits.commit_retry_ms_max(),
                asked: size(limits.reads_in_flight_max()),
                waiting: size(limits.reads_waiting_max()),
            },
            tickets: 0,
            ops: Vec::new(),
            afters: Vec::new(),
            flight: None,
            started: Mono::START,
            open_from: Mono::START,
            asked: BTreeMap::new(),
            waiting: VecDeque::new(),
            overflow: Vec::new(),
            sent: 0,
            repeated: 0,
            spare: (Vec::new(), Vec::new()),
        }
    }

    /// Adds a write to the next batch.
    pub(crate) fn stage(&mut self, op: Op, after: A) {
        self.ops.push(op);
        self.afters.push(after);
    }

    /// Asks a question. It flies at the next `flush`, whatever batches do, unless `reads_in_flight_max`
    /// others fly; behind `reads_waiting_max` waiting ones it is refused, which the next `stored` tells.
    pub(crate) fn ask(&mut self, query: Query, after: A) {
        let room = self.bounds.asked.saturating_sub(self.asked.len()).saturating_add(self.bounds.waiting);
        if self.waiting.len() < room {
            self.waiting.push_back((query, after));
        } else {
            self.overflow.push(after);
        }
    }

    /// Emits what may fly now. Called once at the end of every turn.
    pub(crate) fn flush(&mut self, now: Mono, todo: &mut Outputs) {
        self.flush_batch(now, todo);
        while self.asked.len() < self.bounds.asked
            && let Some((query, after)) = self.waiting.pop_front()
        {
            let ticket = self.ticket();
            self.asked.insert(ticket, after);
            todo.push(Output::Store(Request { ticket, work: Work::Read(query) }));
        }
    }

    /// A request ended: appends its continuations in the order they were staged.
    pub(crate) fn stored(
        &mut self,
        now: Mono,
        ticket: Ticket,
        result: StoreResult,
        released: &mut Vec<(A, Ended)>,
    ) {
        match self.flight.take() {
            Some(flight) if flight.state == FlightState::Flying(ticket) => {
                self.batch_ended(now, flight, result, released);
            }
            other => {
                self.flight = other;
                let after = self.asked.remove(&ticket);
                debug_assert!(after.is_some(), "{ticket:?} is not in flight");
                released.extend(after.map(|after| (after, answer(result))));
            }
        }
        let refused = || Ended::Refused(StoreError::Unavailable("too many questions wait".to_owned()));
        released.extend(self.overflow.drain(..).map(|after| (after, refused())));
    }

    /// When `flush` may start the next batch or try one again; `None` while it waits for the store or for
    /// work.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        match &self.flight {
            Some(Flight { state: FlightState::Flying(_), .. }) => None,
            Some(Flight { state: FlightState::Waiting(until), .. }) => Some(*until),
            None if self.ops.is_empty() => None,
            None => Some(self.open_from),
        }
    }

    /// Operations that wait for a batch, plus those in flight.
    pub(crate) fn staged(&self) -> usize {
        self.ops.len() + self.flight.as_ref().map_or(0, |flight| flight.afters.len())
    }

    /// True when nothing is staged, asked or in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.staged() == 0 && self.asked.is_empty() && self.waiting.is_empty() && self.overflow.is_empty()
    }

    /// Batches sent, and batches tried again, since the last call.
    pub(crate) fn take_counts(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.sent), std::mem::take(&mut self.repeated))
    }

    fn flush_batch(&mut self, now: Mono, todo: &mut Outputs) {
        let mut flight = match self.flight.take() {
            None if !self.ops.is_empty() && self.open_from <= now => {
                self.started = now;
                self.sent += 1;
                self.cut(now)
            }
            Some(flight) if matches!(flight.state, FlightState::Waiting(until) if until <= now) => {
                self.repeated += 1;
                flight
            }
            other => {
                self.flight = other;
                return;
            }
        };
        let ticket = self.ticket();
        flight.tries += 1;
        flight.state = FlightState::Flying(ticket);
        todo.push(Output::Store(Request { ticket, work: Work::Write(Arc::clone(&flight.batch)) }));
        self.flight = Some(flight);
    }

    /// Takes the next batch from the front of what is staged.
    fn cut(&mut self, now: Mono) -> Flight<A> {
        let full = self.ops.len() > self.bounds.messages.min(self.bounds.ops);
        let end = if full { self.batch_end() } else { self.ops.len() };
        let (mut ops, mut afters) = std::mem::take(&mut self.spare);
        if end == self.ops.len() {
            std::mem::swap(&mut ops, &mut self.ops);
            std::mem::swap(&mut afters, &mut self.afters);
        } else {
            ops.extend(self.ops.drain(..end));
            afters.extend(self.afters.drain(..end));
        }
        Flight { batch: Arc::new(Batch { ops }), afters, tries: 0, state: FlightState::Waiting(now) }
    }

    /// How many of the staged operations fit into one batch.
    fn batch_end(&self) -> usize {
        let messages = self.ops.iter().enumerate().filter(|(_, op)| matches!(op, Op::Accept(_)));
        let one_too_many = messages.map(|(at, _)| at).nth(self.bounds.messages);
        one_too_many.unwrap_or(self.ops.len()).min(self.bounds.ops)
    }

    fn batch_ended(
        &mut self,
        now: Mono,
        flight: Flight<A>,
        result: StoreResult,
        released: &mut Vec<(A, Ended)>,
    ) {
        let result = result.map_err(|error| flight.so_far(error));
        if matches!(result, Err(StoreError::Unknown(_))) && flight.tries < self.bounds.tries {
            let until = now.after_millis(self.retry_ms(flight.tries));
            self.flight = Some(Flight { state: FlightState::Waiting(until), ..flight });
            return;
        }
        let spacing = if self.ops.len() >= LOADED_OPS { self.bounds.spacing_nanos } else { 0 };
        self.open_from = Mono::from_nanos(self.started.as_nanos().saturating_add(spacing));
        let Flight { batch, mut afters, .. } = flight;
        match result {
            Ok(Answer::Replies(replies)) if replies.len() == afters.len() => {
                released.extend(afters.drain(..).zip(replies.into_iter().map(Ended::Done)));
            }
            Ok(_) => release_refused(&mut afters, &other_answer(), released),
            Err(error) => release_refused(&mut afters, &error, released),
        }
        // The driver has usually let go of the batch by the time it answers, so its room can be used again.
        let mut ops = Arc::try_unwrap(batch).map(|batch| batch.ops).unwrap_or_default();
        ops.clear();
        self.spare = (ops, afters);
    }

    /// The wait before the next try, when `tries` have been made.
    fn retry_ms(&self, tries: u64) -> u64 {
        let doublings = u32::try_from(tries.saturating_sub(1)).unwrap_or(u32::MAX);
        let wait = 2_u64.saturating_pow(doublings).saturating_mul(self.bounds.retry_ms_min);
        wait.min(self.bounds.retry_ms_max)
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }
}

fn answer(result: StoreResult) -> Ended {
    match result {
        Ok(Answer::Found(found)) => Ended::Found(found),
        Ok(Answer::Replies(_)) => Ended::Refused(other_answer()),
        Err(error) => Ended::Refused(error),
    }
}

/// What a driver is told when it answers something else than it was asked.
fn other_answer() -> StoreError {
    StoreError::Corrupt("the store gave another answer than was asked for".to_owned())
}

fn release_refused<A>(afters: &mut Vec<A>, error: &StoreError, released: &mut Vec<(A, Ended)>) {
    released.extend(afters.drain(..).map(|after| (after, Ended::Refused(error.clone()))));
}

#[cfg(test)]
mod tests;
