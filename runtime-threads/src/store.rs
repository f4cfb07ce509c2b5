//! Store lanes: threads that lend batches and questions to drivers and post what comes back.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use peermesh_core::ids::{ShardId, Ticket};
use peermesh_core::store::{Batch, Driver, Query, Request, StoreError, StoreResult, Work};

use crate::inbox::{Inbox, Post};
use crate::{Fail, Lanes};

/// Batches that one call of a driver commits together. Each shard has one in flight, so this is seldom
/// reached.
const BATCHES_MAX: usize = 64;

/// Pings answered together: each shard has at most one or two under way.
const PINGS_MAX: usize = 1_024;

/// Where shards leave requests. When the last shard is gone, so is the desk, and the lanes end.
#[derive(Debug)]
pub(crate) struct Desk {
    writes: Arc<Queue<Job<Arc<Batch>>>>,
    reads: Arc<Queue<Job<Query>>>,
    /// Where there is a lane for them.
    pings: Option<Arc<Queue<Job<Query>>>>,
}

impl Desk {
    /// Starts one thread for each driver.
    pub(crate) fn open(
        lanes: Lanes,
        inboxes: &Arc<[Inbox]>,
        ended: &Sender<thread::Result<()>>,
        fail: &Arc<Fail>,
    ) -> io::Result<Desk> {
        let pings = lanes.health.as_ref().map(|_| Arc::default());
        let desk = Desk { writes: Arc::default(), reads: Arc::default(), pings };
        for (place, driver) in lanes.writers.into_iter().enumerate() {
            let (queue, inboxes) = (Arc::clone(&desk.writes), Arc::clone(inboxes));
            crate::spawn(format!("store-write-{place}"), ended, move || write(driver, &queue, &inboxes))?;
        }
        for (place, driver) in lanes.readers.into_iter().enumerate() {
            let (queue, inboxes) = (Arc::clone(&desk.reads), Arc::clone(inboxes));
            crate::spawn(format!("store-read-{place}"), ended, move || read(driver, &queue, &inboxes))?;
        }
        if let (Some(driver), Some(queue)) = (lanes.health, &desk.pings) {
            let (queue, inboxes) = (Arc::clone(queue), Arc::clone(inboxes));
            crate::spawn_alone("store-health".to_owned(), None, fail, move || {
                ping(driver, &queue, &inboxes);
            })?;
        }
        Ok(desk)
    }

    /// Takes all requests of one turn.
    pub(crate) fn submit(&self, from: ShardId, requests: &mut Vec<Request>) {
        for Request { ticket, work } in requests.drain(..) {
            match work {
                Work::Write(batch) => {
                    self.writes.push(Job { from, ticket, work: batch });
                }
                Work::Read(query) => {
                    let pings = self.pings.as_ref().filter(|_| matches!(query, Query::Ping { .. }));
                    pings.unwrap_or(&self.reads).push(Job { from, ticket, work: query });
                }
            }
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.writes.close();
        self.reads.close();
        if let Some(pings) = &self.pings {
            pings.close();
        }
    }
}

/// A writer's lane: all batches that wait, of all shards, in one commit.
fn write(mut driver: Box<dyn Driver>, queue: &Queue<Job<Arc<Batch>>>, inboxes: &[Inbox]) {
    while let Some(jobs) = queue.take(BATCHES_MAX) {
        let batches: Vec<_> = jobs.iter().map(|job| Arc::clone(&job.work)).collect();
        let mut results = driver.write(&batches).into_iter();
        for job in jobs {
            let missing = || Err(StoreError::Unknown("the driver gave no result".to_owned()));
            job.answer(results.next().unwrap_or_else(missing), inboxes);
        }
        while driver.rest() && queue.is_idle() {}
    }
}

/// A reader's lane: one question after the other.
fn read(mut driver: Box<dyn Driver>, queue: &Queue<Job<Query>>, inboxes: &[Inbox]) {
    while let Some(jobs) = queue.take(1) {
        for job in jobs {
            let result = driver.read(&job.work);
            job.answer(result, inboxes);
        }
    }
}

/// The lane of pings: those of all shards that wait are one, held no longer than the most impatient allows.
/// Each asks after a moment before the driver looks, so what it finds is true for all of them.
fn ping(mut driver: Box<dyn Driver>, queue: &Queue<Job<Query>>, inboxes: &[Inbox]) {
    while let Some(jobs) = queue.take(PINGS_MAX) {
        let hold = |job: &Job<Query>| match job.work {
            Query::Ping { hold_ms } => Some(hold_ms),
            _ => None,
        };
        let hold_ms = jobs.iter().filter_map(hold).min().unwrap_or(0);
        let result = driver.read(&Query::Ping { hold_ms });
        for job in jobs {
            job.answer(result.clone(), inboxes);
        }
    }
}

/// A request on its way through a lane.
struct Job<W> {
    from: ShardId,
    ticket: Ticket,
    work: W,
}

impl<W> Job<W> {
    fn answer(self, result: StoreResult, inboxes: &[Inbox]) {
        if let Some(inbox) = inboxes.get(usize::from(self.from.0)) {
            inbox.post(Post::Stored { ticket: self.ticket, result });
        }
    }
}

/// Work that the lanes of one kind share.
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    more: Condvar,
}

struct State<T> {
    waiting: VecDeque<T>,
    closed: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Queue<T> {
        Queue { state: Mutex::new(State { waiting: VecDeque::new(), closed: false }), more: Condvar::new() }
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Queue({} waiting)", self.lock().waiting.len())
    }
}

impl<T> Queue<T> {
    /// Leaves an item; true when none waited before it.
    pub(crate) fn push(&self, item: T) -> bool {
        let mut state = self.lock();
        state.waiting.push_back(item);
        let is_first = state.waiting.len() == 1;
        drop(state);
        self.more.notify_one();
        is_first
    }

    /// Waits for work and takes up to `most` of it; none when there is none left and never will be.
    pub(crate) fn take(&self, most: usize) -> Option<Vec<T>> {
        let mut state = self.lock();
        while state.waiting.is_empty() {
            if state.closed {
                return None;
            }
            state = self.more.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let taken = state.waiting.len().min(most);
        Some(state.waiting.drain(..taken).collect())
    }

    /// True while nothing waits, and something may come.
    fn is_idle(&self) -> bool {
        let state = self.lock();
        state.waiting.is_empty() && !state.closed
    }

    /// Takes up to `most` of what waits, perhaps nothing; none when there never will be anything.
    pub(crate) fn look(&self, most: usize) -> Option<Vec<T>> {
        let mut state = self.lock();
        let taken = state.waiting.len().min(most);
        if taken == 0 && state.closed { None } else { Some(state.waiting.drain(..taken).collect()) }
    }

    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.more.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
