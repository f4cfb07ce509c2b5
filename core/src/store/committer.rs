//! Gathers writes while a batch flies, and hands continuations back in the order they were staged.
//!
//! *Decides:* when a batch starts and what is in it; when a batch of unknown outcome is tried again; what
//! becomes of a batch whose fences do not hold; how many questions the store has at once.
//! *Does not:* know what an operation means, or look at its reply.
//! *Always holds:* at most one write batch is in flight or waits for its next try. Batches are cut from the
//! front of what was staged, so results come back in staging order, save that operations on a mesh that was
//! lost end before the others of their batch. A batch of unknown outcome is tried until the store gives a
//! definite answer. A question sees every batch that was `stored` before it was asked and may or may not see
//! any later one: whoever needs to read its own write asks in that write's continuation.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::{Answer, Batch, Fence, Found, Op, Query, Reply, Request, StoreError, StoreResult, Work};
use crate::config::{Limits, size};
use crate::ids::{MeshNo, Ticket};
use crate::machine::{Output, Outputs};
use crate::planted::planted;
use crate::time::Mono;

/// When a batch returns and this many operations have gathered meanwhile, the shard is under load: the next
/// batches are spaced out so that they hold enough messages to share a commit's cost.
const LOADED_OPS: usize = 8;

/// So many operations share a commit well enough: a batch of them waits for no spacing.
const ENOUGH_OPS: usize = 256;

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
    /// From one ticket to the next.
    stride: u64,
    /// What waits for the next batch.
    staged: Staged<A>,
    flight: Option<Flight<A>>,
    /// When the last batch started, and from when on the next one may.
    started: Mono,
    open_from: Mono,
    asked: BTreeMap<Ticket, A>,
    waiting: VecDeque<(Query, A)>,
    overflow: Vec<A>,
    /// Questions that wait behind no other.
    urgent: Vec<(Query, A)>,
    urgent_asked: BTreeMap<Ticket, A>,
    lost: Vec<Fence>,
    sent: u64,
    repeated: u64,
    /// Emptied lists of the batch before, kept for their room.
    spare: (Staged<A>, Vec<Fence>),
}

/// Operations, the fences they stand under, and continuations, place by place.
#[derive(Debug)]
struct Staged<A> {
    ops: Vec<Op>,
    fences: Vec<Option<Fence>>,
    afters: Vec<A>,
}

/// The limits this file keeps to.
#[derive(Clone, Copy, Debug)]
struct Bounds {
    messages: usize,
    ops: usize,
    spacing_nanos: u64,
    retry_ms_min: u64,
    retry_ms_max: u64,
    asked: usize,
    waiting: usize,
}

/// The one batch whose outcome is not known yet.
#[derive(Debug)]
struct Flight<A> {
    batch: Arc<Batch>,
    fences: Vec<Option<Fence>>,
    afters: Vec<A>,
    tries: u64,
    /// The outcome of an earlier try is unknown: it may have been written even if the last one surely was
    /// not.
    unsure: bool,
    state: FlightState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FlightState {
    /// The store has it under this ticket.
    Flying(Ticket),
    /// It waits for its next (or first) try at this time.
    Waiting(Mono),
}

impl<A> Default for Staged<A> {
    fn default() -> Staged<A> {
        Staged { ops: Vec::new(), fences: Vec::new(), afters: Vec::new() }
    }
}

impl<A> Committer<A> {
    /// A committer with nothing staged.
    pub(crate) fn new(limits: &Limits) -> Committer<A> {
        Committer::one_of(limits, 0, 1)
    }

    /// One of several of a machine, each with its place among them: they use different tickets.
    pub(crate) fn one_of(limits: &Limits, place: u64, all: u64) -> Committer<A> {
        Committer {
            bounds: Bounds {
                messages: size(limits.batch_messages_max()),
                ops: size(limits.batch_ops_max()),
                spacing_nanos: limits.commit_spacing_us().saturating_mul(1_000),
                retry_ms_min: limits.commit_retry_ms_min(),
                retry_ms_max: limits.commit_retry_ms_max(),
                asked: size(limits.reads_in_flight_max()),
                waiting: size(limits.reads_waiting_max()),
            },
            tickets: place,
            stride: all,
            staged: Staged::default(),
            flight: None,
            started: Mono::START,
            open_from: Mono::START,
            asked: BTreeMap::new(),
            waiting: VecDeque::new(),
            overflow: Vec::new(),
            urgent: Vec::new(),
            urgent_asked: BTreeMap::new(),
            lost: Vec::new(),
            sent: 0,
            repeated: 0,
            spare: (Staged::default(), Vec::new()),
        }
    }

    /// Adds a write to the next batch. It is written only while its fence holds, if it has one.
    pub(crate) fn stage(&mut self, op: Op, fence: Option<Fence>, after: A) {
        self.staged.ops.push(op);
        self.staged.fences.push(fence);
        self.staged.afters.push(after);
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

    /// Asks a question that waits behind no other and keeps nobody waiting: `is_idle` does not count it.
    /// Whoever asks has one of them open at a time.
    pub(crate) fn ask_at_once(&mut self, query: Query, after: A) {
        self.urgent.push((query, after));
    }

    /// Emits what may fly now. Called once at the end of every turn.
    pub(crate) fn flush(&mut self, now: Mono, todo: &mut Outputs) {
        self.flush_batch(now, todo);
        for (query, after) in std::mem::take(&mut self.urgent) {
            let ticket = self.ticket();
            self.urgent_asked.insert(ticket, after);
            todo.push(Output::Store(Request { ticket, work: Work::Read(query) }));
        }
        while self.asked.len() < self.bounds.asked
            && let Some((query, after)) = self.waiting.pop_front()
        {
            let ticket = self.ticket();
            self.asked.insert(ticket, after);
            todo.push(Output::Store(Request { ticket, work: Work::Read(query) }));
        }
    }

    /// True when a request of that ticket would be this committer's, of several.
    pub(crate) fn owns(&self, ticket: Ticket) -> bool {
        ticket.0 % self.stride == self.tickets % self.stride
    }

    /// A request ended: appends its continuations.
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
                let after = self.urgent_asked.remove(&ticket).or_else(|| self.asked.remove(&ticket));
                debug_assert!(after.is_some(), "{ticket:?} is not in flight");
                released.extend(after.map(|after| (after, answer(result))));
            }
        }
        let refused = || Ended::Refused(StoreError::Busy("too many questions wait".to_owned()));
        released.extend(self.overflow.drain(..).map(|after| (after, refused())));
    }

    /// True when `flush` would start a batch at this moment.
    pub(crate) fn is_ready(&self, now: Mono) -> bool {
        let may_start = self.open_from <= now || self.staged.ops.len() >= ENOUGH_OPS;
        self.flight.is_none() && !self.staged.ops.is_empty() && may_start
    }

    /// Fences that did not hold, since the last call: their meshes are another's.
    pub(crate) fn take_lost(&mut self) -> Vec<Fence> {
        std::mem::take(&mut self.lost)
    }

    /// When `flush` may start the next batch or try one again; `None` while it waits for the store or for
    /// work.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        match &self.flight {
            Some(Flight { state: FlightState::Flying(_), .. }) => None,
            Some(Flight { state: FlightState::Waiting(until), .. }) => Some(*until),
            None if self.staged.ops.is_empty() => None,
            None => Some(self.open_from),
        }
    }

    /// Operations that wait for a batch, plus those in flight.
    pub(crate) fn staged(&self) -> usize {
        self.staged.ops.len() + self.flight.as_ref().map_or(0, |flight| flight.afters.len())
    }

    /// True when nothing is staged, asked or in flight.
    pub(crate) fn is_idle(&self) -> bool {
        self.staged() == 0 && self.asked.is_empty() && self.waiting.is_empty() && self.overflow.is_empty()
    }

    /// Batches sent, and batches tried again because their outcome was unknown, since the last call.
    pub(crate) fn take_counts(&mut self) -> (u64, u64) {
        (std::mem::take(&mut self.sent), std::mem::take(&mut self.repeated))
    }

    fn flush_batch(&mut self, now: Mono, todo: &mut Outputs) {
        let mut flight = match self.flight.take() {
            None if self.is_ready(now) => {
                self.started = now;
                self.cut(now)
            }
            Some(flight) if matches!(flight.state, FlightState::Waiting(until) if until <= now) => flight,
            other => {
                self.flight = other;
                return;
            }
        };
        if flight.unsure {
            self.repeated += 1;
        } else {
            self.sent += 1;
        }
        let ticket = self.ticket();
        flight.tries += 1;
        flight.state = FlightState::Flying(ticket);
        todo.push(Output::Store(Request { ticket, work: Work::Write(Arc::clone(&flight.batch)) }));
        self.flight = Some(flight);
    }

    /// Takes the next batch from the front of what is staged.
    fn cut(&mut self, now: Mono) -> Flight<A> {
        let (mut cut, mut held) = std::mem::take(&mut self.spare);
        let end = self.batch_end(&mut held);
        if end == self.staged.ops.len() {
            std::mem::swap(&mut cut, &mut self.staged);
        } else {
            cut.ops.extend(self.staged.ops.drain(..end));
            cut.fences.extend(self.staged.fences.drain(..end));
            cut.afters.extend(self.staged.afters.drain(..end));
        }
        let Staged { ops, fences, afters } = cut;
        if planted("fence_left_out") {
            held.clear();
        }
        let batch = Arc::new(Batch { ops, fences: held });
        Flight { batch, fences, afters, tries: 0, unsure: false, state: FlightState::Waiting(now) }
    }

    /// How many of the staged operations fit into one batch; adds their fences to `held`. A mesh has one
    /// owner at a time, so no batch stands under two epochs of one.
    fn batch_end(&self, held: &mut Vec<Fence>) -> usize {
        let mut messages = 0;
        let mut last = None;
        for (at, (op, fence)) in self.staged.ops.iter().zip(&self.staged.fences).enumerate() {
            messages += usize::from(matches!(op, Op::Accept(_)));
            let is_over = at == self.bounds.ops || messages > self.bounds.messages;
            if is_over && !planted("batch_without_bounds") {
                return at;
            }
            let Some(fence) = fence.filter(|fence| last != Some(*fence)) else { continue };
            match held.binary_search_by_key(&fence.mesh, |held| held.mesh) {
                Ok(place) if held[place].epoch != fence.epoch => return at,
                Ok(_) => {}
                Err(place) => held.insert(place, fence),
            }
            last = Some(fence);
        }
        self.staged.ops.len()
    }

    fn batch_ended(
        &mut self,
        now: Mono,
        mut flight: Flight<A>,
        result: StoreResult,
        released: &mut Vec<(A, Ended)>,
    ) {
        let result = match result {
            Err(StoreError::Unknown(_)) if planted("unknown_taken_for_written") => {
                Ok(Answer::Replies(vec![Reply::Inserted; flight.afters.len()]))
            }
            result => result,
        };
        flight.unsure |= matches!(result, Err(StoreError::Unknown(_)));
        let result = match result {
            Err(StoreError::Fenced(lost)) if flight.stands_under(&lost) => {
                return self.batch_fenced(now, flight, &lost, released);
            }
            Err(StoreError::Fenced(_)) => Err(other_answer()),
            // Another try may tell what became of the one that nobody knows of.
            Err(error) if flight.unsure && !matches!(error, StoreError::Corrupt(_)) => {
                let until = now.after_millis(self.retry_ms(flight.tries));
                self.flight = Some(Flight { state: FlightState::Waiting(until), ..flight });
                return;
            }
            result => result,
        };
        self.space_out();
        let Flight { batch, mut fences, mut afters, .. } = flight;
        match result {
            Ok(Answer::Replies(replies)) if replies.len() == afters.len() => {
                released.extend(afters.drain(..).zip(replies.into_iter().map(Ended::Done)));
            }
            Ok(_) => release_refused(&mut afters, &other_answer(), released),
            Err(error) => release_refused(&mut afters, &error, released),
        }
        // The driver has usually let go of the batch by the time it answers, so its room can be used again.
        let Batch { mut ops, fences: mut held } = Arc::try_unwrap(batch).unwrap_or_default();
        ops.clear();
        held.clear();
        fences.clear();
        self.spare = (Staged { ops, fences, afters }, held);
    }

    /// What concerns lost meshes ends here; the rest flies again.
    fn batch_fenced(
        &mut self,
        now: Mono,
        flight: Flight<A>,
        lost: &[MeshNo],
        released: &mut Vec<(A, Ended)>,
    ) {
        let Batch { ops, fences: mut held } =
            Arc::try_unwrap(flight.batch).unwrap_or_else(|shared| (*shared).clone());
        let is_lost = |fence: &Fence| lost.contains(&fence.mesh);
        self.lost.extend(held.extract_if(.., |fence| is_lost(fence)));
        let mut kept = Staged::default();
        for ((op, fence), after) in ops.into_iter().zip(flight.fences).zip(flight.afters) {
            if fence.as_ref().is_some_and(is_lost) {
                let error = match flight.unsure {
                    true => StoreError::Unknown("the mesh was lost before it could be told".to_owned()),
                    false => StoreError::Fenced(lost.to_vec()),
                };
                released.push((after, Ended::Refused(error)));
            } else {
                kept.ops.push(op);
                kept.fences.push(fence);
                kept.afters.push(after);
            }
        }
        let Staged { ops, fences, afters } = kept;
        if ops.is_empty() {
            return self.space_out();
        }
        let (tries, unsure, state) = (flight.tries, flight.unsure, FlightState::Waiting(now));
        let batch = Arc::new(Batch { ops, fences: held });
        self.flight = Some(Flight { batch, fences, afters, tries, unsure, state });
    }

    /// Decides when the next batch may start, once this one is over.
    fn space_out(&mut self) {
        let spacing = if self.staged.ops.len() >= LOADED_OPS { self.bounds.spacing_nanos } else { 0 };
        self.open_from = Mono::from_nanos(self.started.as_nanos().saturating_add(spacing));
    }

    /// The wait before the next try, when `tries` have been made.
    fn retry_ms(&self, tries: u64) -> u64 {
        let doublings = u32::try_from(tries.saturating_sub(1)).unwrap_or(u32::MAX);
        let wait = 2_u64.saturating_pow(doublings).saturating_mul(self.bounds.retry_ms_min);
        wait.min(self.bounds.retry_ms_max)
    }

    /// Numbers requests from behind `first` on.
    pub(crate) fn number_from(&mut self, first: u64) {
        self.tickets = first;
    }

    fn ticket(&mut self) -> Ticket {
        self.tickets += self.stride;
        Ticket(self.tickets)
    }
}

impl<A> Flight<A> {
    fn stands_under(&self, lost: &[MeshNo]) -> bool {
        self.batch.fences.iter().any(|fence| lost.contains(&fence.mesh))
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
