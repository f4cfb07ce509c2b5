//! Writing lanes: batches in, one call and one commit out.
//!
//! Several batches share one call. When that is refused, each is written alone, so that one bad batch does
//! not touch its neighbours; those that stand on lost fences are told so and the rest is written together
//! again.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use peermesh_core::ids::MeshNo;
use peermesh_core::store::{Answer, Batch, Driver, Fence, Query, Reply, StoreError, StoreResult};

use super::call::{Call, Written, gather};
use super::gate::{Gate, Known};
use super::link::Link;
use super::pool::Pool;
use super::trouble::Trouble;
use super::{read, sql};
use crate::rows::BadRow;

/// How often a transaction is tried again that another one pushed aside.
const COLLISIONS_MAX: u32 = 5;

/// Writes, and answers questions when asked to.
pub(super) struct Writer {
    pool: Pool,
    gate: Gate,
}

impl Driver for Writer {
    fn write(&mut self, batches: &[Arc<Batch>]) -> Vec<StoreResult> {
        let known = match self.gate.pass() {
            Ok(known) => known,
            Err(error) => return batches.iter().map(|_| Err(error.clone())).collect(),
        };
        let mut results: Vec<Option<StoreResult>> = batches.iter().map(|_| None).collect();
        let mut open: Vec<usize> = (0..batches.len()).collect();
        while !open.is_empty() {
            let together: Vec<&Batch> = open.iter().map(|at| &*batches[*at]).collect();
            match self.commit(&known, &together) {
                Ok(Outcome::Written(replies)) => {
                    for (at, replies) in open.drain(..).zip(replies) {
                        results[at] = Some(Ok(Answer::Replies(replies)));
                    }
                }
                Ok(Outcome::Lost(lost)) => open.retain(|at| {
                    let lost = lost_of(&batches[*at], &lost);
                    if !lost.is_empty() {
                        results[*at] = Some(Err(StoreError::Fenced(lost)));
                    }
                    results[*at].is_none()
                }),
                Err(refused) if refused.may_be_one_batch && open.len() > 1 => {
                    for at in open.drain(..) {
                        results[at] = Some(self.commit_alone(&known, &batches[at]));
                    }
                }
                Err(refused) => {
                    for at in open.drain(..) {
                        results[at] = Some(Err(refused.error.clone()));
                    }
                }
            }
        }
        let unanswered = || Err(StoreError::Unavailable("the batch was passed over".to_owned()));
        results.into_iter().map(|result| result.unwrap_or_else(unanswered)).collect()
    }

    fn read(&mut self, query: &Query) -> StoreResult {
        read::answer(&self.pool, &self.gate, query)
    }
}

enum Outcome {
    /// The replies to each batch.
    Written(Vec<Vec<Reply>>),
    /// Nothing was written: these fences are not held.
    Lost(Vec<Fence>),
}

/// Why a transaction was not committed.
struct Refused {
    error: StoreError,
    /// The same batches, each in a transaction of its own, may fare better.
    may_be_one_batch: bool,
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Refused {
        Refused { error, may_be_one_batch: false }
    }
}

impl Writer {
    pub(super) fn new(pool: Pool, gate: Gate) -> Writer {
        Writer { pool, gate }
    }

    /// Writes one batch in a transaction of its own, after the one it shared with others was refused.
    fn commit_alone(&self, known: &Known, batch: &Batch) -> StoreResult {
        match self.commit(known, &[batch]).map_err(|refused| refused.error)? {
            Outcome::Written(mut replies) => Ok(Answer::Replies(replies.pop().unwrap_or_default())),
            Outcome::Lost(lost) => Err(StoreError::Fenced(lost_of(batch, &lost))),
        }
    }

    /// Writes all batches in one transaction. One that collides with another's is tried again.
    fn commit(&self, known: &Known, batches: &[&Batch]) -> Result<Outcome, Refused> {
        let mut fences: Vec<Fence> = batches.iter().flat_map(|batch| batch.fences.iter().copied()).collect();
        fences.sort_unstable();
        fences.dedup();
        let calls = gather(batches.iter().copied());
        let mut pooled = self.pool.lend()?;
        let mut collisions = 0;
        loop {
            let transaction =
                Transaction { link: &mut pooled.link, answer: self.pool.answer, known, fences: &fences };
            let error = match transaction.run(&calls) {
                Ok(replies) => return Ok(replies.sort_out(batches)),
                Err(Failed { trouble, .. }) if trouble.is_collision() && collisions < COLLISIONS_MAX => {
                    collisions += 1;
                    std::thread::sleep(jitter(collisions));
                    continue;
                }
                Err(Failed { trouble, at_commit: true }) => trouble.failed_commit(),
                Err(Failed { trouble, at_commit: false }) => trouble.refusal(),
            };
            // What the server refused while the connection stayed sound may be one batch's fault; that
            // somebody else was in the way is nobody's, and asking for each batch would only wait as many
            // times.
            let is_nobodys = matches!(error, StoreError::Unknown(_) | StoreError::Busy(_));
            let may_be_one_batch = !pooled.link.is_spoiled() && !is_nobodys;
            return Err(Refused { error, may_be_one_batch });
        }
    }
}

/// Of these fences, the meshes that the batch stands on.
fn lost_of(batch: &Batch, lost: &[Fence]) -> Vec<MeshNo> {
    let mut meshes: Vec<MeshNo> =
        batch.fences.iter().filter(|fence| lost.contains(fence)).map(|fence| fence.mesh).collect();
    meshes.sort_unstable();
    meshes.dedup();
    meshes
}

/// A few milliseconds that are not the same for two who collided.
fn jitter(collisions: u32) -> Duration {
    let chance = RandomState::new().build_hasher().finish();
    Duration::from_micros(1_000 + chance % (4_000 << collisions.min(5)))
}

/// Why a transaction ended without having been committed for sure.
struct Failed {
    trouble: Trouble,
    /// The request that failed would have committed.
    at_commit: bool,
}

impl Failed {
    fn before(trouble: impl Into<Trouble>) -> Failed {
        Failed { trouble: trouble.into(), at_commit: false }
    }
}

/// One attempt.
struct Transaction<'a> {
    link: &'a mut Link,
    answer: Duration,
    known: &'a Known,
    fences: &'a [Fence],
}

impl Transaction<'_> {
    /// Nearly always one call, which commits by itself; else a transaction around several.
    fn run(mut self, calls: &[Call<'_>]) -> Result<Written, Failed> {
        if let [call] = calls {
            return self.call(call, self.fences, true);
        }
        self.link.run(self.answer, "BEGIN").map_err(Failed::before)?;
        let written = self.run_in_transaction(calls);
        let is_complete = matches!(written, Ok(Written::Replies(_)));
        if !is_complete && !self.link.is_spoiled() {
            self.link.run(self.answer, "ROLLBACK").map_err(Failed::before)?;
        }
        if is_complete {
            let failed = |trouble| Failed { trouble, at_commit: true };
            self.link.run(self.answer, "COMMIT").map_err(failed)?;
        }
        written
    }

    fn run_in_transaction(&mut self, calls: &[Call<'_>]) -> Result<Written, Failed> {
        let mut all = Vec::new();
        for (at, call) in calls.iter().enumerate() {
            // Whoever would take a mesh waits for the end of the transaction, so one look at the fences will
            // do.
            let fences = if at == 0 { self.fences } else { &[] };
            match self.call(call, fences, false)? {
                Written::Replies(replies) => all.extend(replies),
                lost @ Written::Lost(_) => return Ok(lost),
            }
        }
        Ok(Written::Replies(all))
    }

    fn call(&mut self, call: &Call<'_>, fences: &[Fence], at_commit: bool) -> Result<Written, Failed> {
        let Known { broker, keys } = self.known;
        let row = call.with_params(*broker, fences, keys, |params| {
            self.link.query_opt(self.answer, sql::WRITE, params)
        });
        let row = row.map_err(|trouble| Failed { trouble, at_commit })?;
        let row = row.ok_or(BadRow("no answer of the write function")).map_err(Failed::before)?;
        call.written(&row, fences).map_err(Failed::before)
    }
}

impl Written {
    /// The replies of each batch in the order of its operations. What no call answers has no more to say than
    /// that it was done.
    fn sort_out(self, batches: &[&Batch]) -> Outcome {
        let all = match self {
            Written::Lost(lost) => return Outcome::Lost(lost),
            Written::Replies(all) => all,
        };
        let mut replies: Vec<Vec<Reply>> =
            batches.iter().map(|batch| vec![Reply::Done; batch.ops.len()]).collect();
        for ((batch, at), reply) in all {
            // Of a message that was not accepted there is no more to say. Otherwise the last word counts.
            if !matches!(replies[batch][at], Reply::Known(_)) {
                replies[batch][at] = reply;
            }
        }
        Outcome::Written(replies)
    }
}
