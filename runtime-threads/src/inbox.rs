//! How other threads reach a shard without its lock, and what its own thread waits for.

use std::fmt;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use peermesh_core::forward::Forwarded;
use peermesh_core::ids::{ShardId, Ticket};
use peermesh_core::machine::{Envelope, Order, Parcel};
use peermesh_core::store::StoreResult;

use crate::conn::Parts;

/// What other threads have for a shard.
pub(crate) enum Post {
    Stored { ticket: Ticket, result: StoreResult },
    Relayed { from: ShardId, envelope: Envelope },
    Adopted { parts: Parts, parcel: Parcel },
    Forwarded { ticket: Ticket, result: Forwarded },
    Undialled { dial: Ticket, why: String },
    Order(Order),
}

/// Where other threads leave what they have for a shard. The first post rings; those that follow before
/// somebody looks cost nothing more.
#[derive(Default)]
pub(crate) struct Inbox {
    slot: Mutex<Slot>,
    bell: Condvar,
}

#[derive(Default)]
struct Slot {
    posts: Vec<Post>,
    /// A turn is due, whatever else there is.
    rung: bool,
    /// A turn is due then.
    alarm: Option<Instant>,
    closed: bool,
}

impl Inbox {
    pub(crate) fn post(&self, post: Post) {
        let mut slot = self.lock();
        if slot.closed {
            return;
        }
        slot.posts.push(post);
        let is_first = slot.posts.len() == 1;
        drop(slot);
        if is_first {
            self.bell.notify_one();
        }
    }

    /// Refuses posts from here on, and ends the shard if it still runs.
    pub(crate) fn close(&self) {
        let mut slot = self.lock();
        slot.closed = true;
        let posts = mem::take(&mut slot.posts);
        drop(slot);
        drop(posts);
        self.bell.notify_one();
    }

    /// Swaps all posts for the empty list given; false when the inbox is closed.
    pub(crate) fn take(&self, posts: &mut Vec<Post>) -> bool {
        let mut slot = self.lock();
        mem::swap(&mut slot.posts, posts);
        !slot.closed
    }

    /// Lets the shard's thread take a turn.
    pub(crate) fn ring(&self) {
        if !mem::replace(&mut self.lock().rung, true) {
            self.bell.notify_one();
        }
    }

    /// Lets the shard's thread take a turn at `at`, instead of at the moment set before.
    pub(crate) fn wake_by(&self, at: Instant) {
        let before = self.lock().alarm.replace(at);
        if before.is_none_or(|before| at < before) {
            self.bell.notify_one();
        }
    }

    /// Waits until a turn is due. For the shard's own thread.
    pub(crate) fn wait(&self) {
        let mut slot = self.lock();
        loop {
            if slot.closed || !slot.posts.is_empty() {
                return;
            }
            if mem::take(&mut slot.rung) {
                drop(slot);
                // Long work rings after each of its pages: others come in between.
                return thread::yield_now();
            }
            let left = slot.alarm.map(|at| at.saturating_duration_since(Instant::now()));
            slot = match left {
                None => self.bell.wait(slot).unwrap_or_else(PoisonError::into_inner),
                Some(left) if left.is_zero() => {
                    slot.alarm = None;
                    return;
                }
                Some(left) => self.bell.wait_timeout(slot, left).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbox({} posts)", self.lock().posts.len())
    }
}
