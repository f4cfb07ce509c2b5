//! How other threads reach a shard.

use std::fmt;
use std::mem;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use peermesh_core::forward::Forwarded;
use peermesh_core::ids::{ShardId, Ticket};
use peermesh_core::machine::{Envelope, Order, Parcel};
use peermesh_core::store::StoreResult;

use crate::conn::Parts;
use crate::stream::Stream;

/// What other threads have for a shard.
pub(crate) enum Post {
    Stored { ticket: Ticket, result: StoreResult },
    Relayed { from: ShardId, envelope: Envelope },
    Adopted { parts: Parts, parcel: Parcel },
    Forwarded { ticket: Ticket, result: Forwarded },
    Dialled { dial: Ticket, result: Result<Stream, String> },
    Order(Order),
}

/// Where other threads leave what they have for a shard. The first post rings; those that follow before the
/// shard looks cost nothing more.
#[derive(Default)]
pub(crate) struct Inbox(Mutex<Slot>);

#[derive(Default)]
struct Slot {
    posts: Vec<Post>,
    bell: Option<Waker>,
    closed: bool,
}

impl Inbox {
    pub(crate) fn post(&self, post: Post) {
        let mut slot = self.lock();
        if slot.closed {
            return;
        }
        slot.posts.push(post);
        let bell = if slot.posts.len() == 1 { slot.bell.clone() } else { None };
        drop(slot);
        if let Some(bell) = bell {
            bell.wake();
        }
    }

    /// Refuses posts from here on, and ends the shard if it still runs.
    pub(crate) fn close(&self) {
        let mut slot = self.lock();
        slot.closed = true;
        let (posts, bell) = (mem::take(&mut slot.posts), slot.bell.take());
        drop(slot);
        drop(posts);
        if let Some(bell) = bell {
            bell.wake();
        }
    }

    /// Swaps all posts for the empty list given; false when the inbox is closed.
    pub(crate) fn take(&self, posts: &mut Vec<Post>) -> bool {
        let mut slot = self.lock();
        mem::swap(&mut slot.posts, posts);
        !slot.closed
    }

    /// True when something was left here.
    pub(crate) fn has_posts(&self) -> bool {
        !self.lock().posts.is_empty()
    }

    pub(crate) fn hear(&self, bell: Waker) {
        self.lock().bell = Some(bell);
    }

    fn lock(&self) -> MutexGuard<'_, Slot> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inbox({} posts)", self.lock().posts.len())
    }
}
