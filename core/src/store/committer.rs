//! Gathers writes while a batch flies, and hands continuations back in the order they were staged.

use super::{Op, Query, Reply, StoreError, StoreResult};
use crate::config::Limits;
use crate::ids::Ticket;
use crate::machine::Outputs;
use crate::store::Found;
use crate::time::Mono;

/// What became of something staged or asked.
#[derive(Debug)]
pub(crate) enum Ended {
    /// A staged operation's reply.
    Done(Reply),
    /// A question's answer.
    Found(Box<Found>),
    /// It was not performed.
    Refused(StoreError),
}

/// Stages operations and questions, each with an `A`: what to go on with when it has ended.
#[derive(Debug)]
pub(crate) struct Committer<A> {
    _after: Vec<A>,
}

impl<A> Committer<A> {
    pub(crate) fn new(_limits: &Limits) -> Committer<A> {
        todo!()
    }
    /// Adds a write to the next batch.
    pub(crate) fn stage(&mut self, _op: Op, _after: A) {
        todo!()
    }
    /// Asks a question at once (questions do not wait for batches; they fly in any number).
    pub(crate) fn ask(&mut self, _query: Query, _after: A) {
        todo!()
    }
    /// Emits what may fly now. Called once at the end of every turn.
    pub(crate) fn flush(&mut self, _now: Mono, _todo: &mut Outputs) {
        todo!()
    }
    /// A request ended: appends its continuations in the order they were staged.
    pub(crate) fn stored(
        &mut self,
        _now: Mono,
        _ticket: Ticket,
        _result: StoreResult,
        _released: &mut Vec<(A, Ended)>,
    ) {
        todo!()
    }
    /// When `flush` may start the next batch or try one again; `None` while it waits for the store or for work.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        todo!()
    }
    /// Operations that wait for a batch, plus those in flight.
    pub(crate) fn staged(&self) -> usize {
        todo!()
    }
    /// True when nothing is staged, asked or in flight.
    pub(crate) fn is_idle(&self) -> bool {
        todo!()
    }
    /// Batches sent, and batches tried again, since the last call.
    pub(crate) fn take_counts(&mut self) -> (u64, u64) {
        todo!()
    }
}
