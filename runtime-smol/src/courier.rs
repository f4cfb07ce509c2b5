//! The counter for couriers: where shards leave requests to the event target, and the threads that fetch
//! them.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::thread;

use peermesh_core::forward::{Courier, Errand, Forward, Forwarded, Window};
use peermesh_core::ids::{ShardId, Ticket};

use crate::inbox::{Inbox, Post};
use crate::store::Queue;

/// Where shards leave requests to the event target. When it is gone, so are its windows. A run does not wait
/// for couriers: a target may take its time.
#[derive(Debug)]
pub(crate) struct Counter {
    shelf: Arc<Shelf>,
    lanes: usize,
}

/// What all windows share.
struct Shelf {
    requests: Queue<Errand>,
    /// Of couriers that do not wait at their window.
    bells: Mutex<Vec<Waker>>,
    inboxes: Arc<[Inbox]>,
}

/// The window of one courier, which knows what it holds.
struct Own {
    shelf: Arc<Shelf>,
    held: RefCell<BTreeSet<(ShardId, Ticket)>>,
}

impl Counter {
    /// Starts one thread for each courier.
    pub(crate) fn open(couriers: Vec<Box<dyn Courier>>, inboxes: &Arc<[Inbox]>) -> io::Result<Counter> {
        let (requests, bells) = (Queue::default(), Mutex::default());
        let shelf = Arc::new(Shelf { requests, bells, inboxes: Arc::clone(inboxes) });
        let counter = Counter { shelf: Arc::clone(&shelf), lanes: couriers.len() };
        for (place, courier) in couriers.into_iter().enumerate() {
            let shelf = Arc::clone(&shelf);
            thread::Builder::new().name(format!("courier-{place}")).spawn(move || employ(courier, shelf))?;
        }
        Ok(counter)
    }

    /// Takes one request of a shard.
    pub(crate) fn submit(&self, from: ShardId, forward: Box<Forward>, inbox: &Inbox) {
        if self.lanes == 0 {
            let result = Forwarded::Failed { why: "this run has no courier".to_owned() };
            return inbox.post(Post::Forwarded { ticket: forward.ticket, result });
        }
        if self.shelf.requests.push(Errand { from, forward }) {
            self.shelf.ring();
        }
    }
}

impl Drop for Counter {
    fn drop(&mut self) {
        self.shelf.requests.close();
        self.shelf.ring();
    }
}

/// Lets a courier work until its window has closed, whatever befalls it meanwhile.
fn employ(mut courier: Box<dyn Courier>, shelf: Arc<Shelf>) {
    let own = Own { shelf, held: RefCell::default() };
    while panic::catch_unwind(AssertUnwindSafe(|| courier.work(&own))).is_err() {
        // One that panics at nothing would do so for ever.
        if own.held.borrow().is_empty() && own.wait(1).is_none() {
            return;
        }
        for (from, ticket) in own.held.take() {
            own.answer(from, ticket, Forwarded::Failed { why: "the courier panicked".to_owned() });
        }
    }
}

impl Own {
    fn hold(&self, errands: Vec<Errand>) -> Vec<Errand> {
        let names = errands.iter().map(|errand| (errand.from, errand.forward.ticket));
        self.held.borrow_mut().extend(names);
        errands
    }
}

impl Window for Own {
    fn wait(&self, most: usize) -> Option<Vec<Errand>> {
        self.shelf.requests.take(most).map(|errands| self.hold(errands))
    }

    fn look(&self, most: usize) -> Option<Vec<Errand>> {
        self.shelf.requests.look(most).map(|errands| self.hold(errands))
    }

    fn hear(&self, bell: Waker) {
        let mut bells = self.shelf.bells();
        if !bells.iter().any(|known| known.will_wake(&bell)) {
            bells.push(bell);
        }
    }

    fn answer(&self, from: ShardId, ticket: Ticket, result: Forwarded) {
        self.held.borrow_mut().remove(&(from, ticket));
        if let Some(inbox) = self.shelf.inboxes.get(usize::from(from.0)) {
            inbox.post(Post::Forwarded { ticket, result });
        }
    }
}

impl Shelf {
    fn ring(&self) {
        self.bells().iter().for_each(Waker::wake_by_ref);
    }

    fn bells(&self) -> MutexGuard<'_, Vec<Waker>> {
        self.bells.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Shelf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shelf({:?})", self.requests)
    }
}
