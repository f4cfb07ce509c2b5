//! What is to come, by time; at one moment in the order in which it was put down.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;

use bytes::Bytes;
use peermesh_core::forward::Forwarded;
use peermesh_core::ids::{ConnId, ShardId, Ticket};
use peermesh_core::machine::{Ending, Envelope, Listener, Parcel};
use peermesh_core::store::StoreResult;

use super::chaos::Trouble;
use super::link::{LinkNo, Way};

/// Something that happens.
pub(super) enum Event {
    /// A fact for one shard of one life of a broker.
    Fact {
        node: usize,
        life: u32,
        shard: u16,
        fact: Fact,
    },
    /// A shard's deadline may have come.
    Wake {
        node: usize,
        life: u32,
        shard: u16,
    },
    /// Bytes of a client arrive at its broker's host.
    Up {
        link: LinkNo,
        bytes: Vec<u8>,
    },
    /// The client's end arrives there.
    UpEnd {
        link: LinkNo,
        how: Ending,
    },
    /// Bytes of the broker, up to so many, arrive at the client's host.
    Down {
        link: LinkNo,
        upto: u64,
    },
    /// The broker's end arrives there.
    DownEnd {
        link: LinkNo,
    },
    /// An actor wanted to be woken.
    Act {
        actor: usize,
        token: u8,
    },
    /// The moment of a store request.
    Commit(u64),
    /// Its answer is due.
    Reply(u64),
    /// A write takes effect that nobody waits for.
    Land(u64),
    /// An event arrives at the target; its answer is due.
    Arrive(u64),
    Answer(u64),
    /// A fault begins, or one ends.
    Trouble(Trouble),
    Relief(Relief),
    /// A broker starts.
    Start(usize),
    /// All brokers die, and are away for so many milliseconds.
    Away(u64),
    /// Faults stop.
    Peace,
    /// In peace: has everything settled?
    Look,
}

/// The end of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relief {
    Thaw(usize),
    Flow(LinkNo, Way),
    Clock(usize),
    Store(usize),
    Target,
}

/// An input that can wait.
pub(super) enum Fact {
    Opened(ConnId, Listener, IpAddr, LinkNo),
    /// A stream can be read.
    Ready(LinkNo),
    Sent(ConnId, usize),
    Broken(ConnId),
    /// Whether it was a write.
    Stored(Ticket, StoreResult, bool),
    Relayed(ShardId, Envelope),
    Adopted(ConnId, Parcel),
    Scraped(ConnId, Bytes),
    Weighed(ConnId),
    Forwarded(Ticket, Forwarded),
    Undialled(Ticket),
    Drain,
}

/// All that is to come.
#[derive(Default)]
pub(super) struct Heap {
    list: BinaryHeap<Entry>,
    last: u64,
}

struct Entry {
    order: Reverse<(u64, u64)>,
    event: Event,
}

impl Heap {
    pub(super) fn put(&mut self, at: u64, event: Event) {
        self.last += 1;
        self.list.push(Entry { order: Reverse((at, self.last)), event });
    }

    pub(super) fn take(&mut self) -> Option<(u64, Event)> {
        let Entry { order: Reverse((at, _)), event } = self.list.pop()?;
        Some((at, event))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.order == other.order
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Entry) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Entry) -> std::cmp::Ordering {
        self.order.cmp(&other.order)
    }
}
