//! The whole contract between a machine and what carries it: one input, a list of outputs, one deadline.
//!
//! *Always holds:* outputs are performed in list order and nothing else is asked of the performer. What must
//! wait for a commit is not in the list before that commit's `Stored` came in.

use std::any::Any;
use std::fmt;
use std::net::IpAddr;
use std::ops::Range;

use bytes::Bytes;

use crate::forward::{Forward, Forwarded};
use crate::ids::{ConnId, ShardId, Ticket};
use crate::note::Note;
use crate::stats::Stats;
use crate::store::{Request, StoreResult};
use crate::time::{Mono, Now};

/// A deterministic state machine: same state, inputs and times give the same outputs, byte for byte.
pub trait Machine {
    /// Learns one fact; appends what must be done; says when it wants to be woken if nothing happens.
    #[must_use = "the machine must be woken at its deadline"]
    fn handle(&mut self, now: Now, input: Input<'_>, todo: &mut Outputs) -> Option<Deadline>;
}

/// A fact the machine learns.
#[derive(Debug)]
pub enum Input<'a> {
    /// A stream was accepted. It is read only after `Output::Read`.
    Opened {
        /// The new stream.
        conn: ConnId,
        /// Where it came in, which decides what it may ask for.
        listener: Listener,
        /// Who is at the other end, as the kernel says; the loopback address for a Unix socket.
        remote: IpAddr,
    },
    /// One chunk arrived and used up the read grant. Lent mutably so that frames are unmasked in place.
    Received {
        /// Where from.
        conn: ConnId,
        /// What.
        bytes: &'a mut [u8],
    },
    /// The kernel took this many bytes of what was sent before; write credit returns.
    Sent {
        /// On which stream.
        conn: ConnId,
        /// How many bytes.
        bytes: usize,
    },
    /// The peer's side ended, or the whole stream did.
    Closed {
        /// Which stream.
        conn: ConnId,
        /// In which way.
        how: Ending,
    },
    /// The store finished a request.
    Stored {
        /// The request.
        ticket: Ticket,
        /// Replies, or why there are none.
        result: StoreResult,
    },
    /// Another shard says something, or the program around the machine does.
    Relayed {
        /// Who speaks; the program speaks as the shard itself.
        from: ShardId,
        /// What it says.
        envelope: Envelope,
    },
    /// A connection moved here from another shard.
    Adopted {
        /// Which stream.
        conn: ConnId,
        /// What the other shard knew of it.
        parcel: Parcel,
    },
    /// The metrics page asked for earlier.
    Scraped {
        /// Who asked.
        conn: ConnId,
        /// The rendered page.
        page: Bytes,
    },
    /// The program's memory asked for earlier.
    Weighed {
        /// Who asked.
        conn: ConnId,
        /// How much it is.
        memory: Memory,
    },
    /// A request to the event target ended.
    Forwarded {
        /// Which.
        ticket: Ticket,
        /// What came of it.
        result: Forwarded,
    },
    /// A dial ended.
    Dialled {
        /// Which.
        dial: Ticket,
        /// The stream, which from here on is like an accepted one; or why there is none, in words for people.
        result: Result<ConnId, String>,
    },
    /// The operator's wish.
    Order(Order),
    /// The deadline passed.
    Wake,
}

/// A place where connections come in. Each speaks the contract of one surface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Listener {
    /// Peers, their hooks and administration.
    Mesh,
    /// Runners, and whoever sends them commands.
    Runner,
    /// Watchers of live topics, and whoever publishes to them.
    Live,
    /// Programs of the same user on this machine, by a Unix socket. Whoever comes in here is that user: the
    /// runtime asks the kernel, and turns everybody else away.
    Local,
    /// Programs on this machine, by TCP on the loopback. Whoever comes in here may be any user's, or a web
    /// page's.
    LocalTcp,
}

/// A server that can be dialled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// Its name or address; an IPv6 address has no brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Speak TLS, and believe only a certificate that names `host`.
    pub tls: bool,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ending {
    /// The peer sends no more. Our side can still be written until `Output::Close`, which the machine owes.
    Finished,
    /// The stream is gone and the runtime has forgotten it.
    Broken,
}

/// What a program takes, in bytes. What the allocator does not tell counts as all that is resident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Memory {
    /// Resident, as the system says.
    pub rss: u64,
    /// Taken from the system for the heap.
    pub heap_total: u64,
    /// In use on the heap.
    pub heap_used: u64,
}

/// What the operator can ask of a running machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// Stop taking work, finish what is in flight, say goodbye, then `Output::Finished`.
    Drain,
    /// Something may stand in the feed of live topics: look at it.
    Feed,
}

/// A wish of the machine. The performer obeys in list order.
#[derive(Debug)]
pub enum Output {
    /// Grant one more chunk.
    Read {
        /// To which stream.
        conn: ConnId,
    },
    /// Write these bytes after all earlier ones.
    Send {
        /// To which stream.
        conn: ConnId,
        /// Which bytes.
        bytes: Payload,
    },
    /// End our side.
    Close {
        /// Of which stream.
        conn: ConnId,
        /// How.
        how: Closing,
    },
    /// Hand this to a store lane; the answer is `Input::Stored`.
    Store(Request),
    /// Tell another shard.
    Relay {
        /// Which.
        to: ShardId,
        /// What.
        envelope: Envelope,
    },
    /// Move a connection to another shard, which learns of it by `Input::Adopted`.
    Handoff {
        /// Which stream.
        conn: ConnId,
        /// Where to.
        to: ShardId,
        /// What the new owner needs to know.
        parcel: Parcel,
    },
    /// Render the metrics page; the answer is `Input::Scraped`.
    Scrape {
        /// Who asked.
        conn: ConnId,
        /// `OpenMetrics` instead of the plain text format.
        openmetrics: bool,
    },
    /// Look how much memory the program takes; the answer is `Input::Weighed`.
    Weigh {
        /// Who asked.
        conn: ConnId,
    },
    /// Hand this to a courier; the answer is `Input::Forwarded`.
    Forward(Box<Forward>),
    /// Open a stream to a server; the answer is `Input::Dialled`, within a bound of time that the performer
    /// keeps. A stream that comes too late is the machine's to close.
    Dial {
        /// Names the dial in its `Dialled`.
        dial: Ticket,
        /// Where to.
        to: Endpoint,
    },
    /// A log record.
    Note(Note),
    /// A snapshot of this shard's counters, for the metrics page.
    Stats(Box<Stats>),
    /// Drained: the shard may end.
    Finished,
    /// The machine cannot go on, and no later state would be better: the process must end, and say why.
    Fail {
        /// What the operator must know.
        why: String,
    },
}

/// How to end our side of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Closing {
    /// No more bytes will be sent; the peer's are still read (as granted), so that it sees our last ones.
    Write,
    /// Drop the stream now. No `Closed` follows.
    Both,
}

/// What a connection takes along when it moves to another shard. Only the machines know what is in it.
pub struct Parcel(Box<dyn Any + Send>);

/// What one shard says to another. Only the machines know what is in it.
pub struct Envelope(Box<dyn Any + Send>);

macro_rules! sealed {
    ($($Name:ident),+) => {$(
        impl $Name {
            /// Closes it around `content`.
            pub fn new<T: Any + Send>(content: T) -> $Name {
                $Name(Box::new(content))
            }

            /// Opens it; `None` when it holds something else.
            pub fn open<T: Any>(self) -> Option<T> {
                self.0.downcast().ok().map(|content| *content)
            }
        }

        impl fmt::Debug for $Name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($Name))
            }
        }
    )+};
}

sealed!(Parcel, Envelope);

/// Bytes of an output: a range of this turn's arena, or a shared buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// A range of [`Outputs::arena`]; valid until [`Outputs::clear`].
    Arena(Range<usize>),
    /// One buffer shared by many recipients.
    Shared(Bytes),
}

/// The list a machine appends its wishes to, with the arena their small payloads live in.
#[derive(Debug, Default)]
pub struct Outputs {
    list: Vec<Output>,
    arena: Vec<u8>,
}

impl Outputs {
    /// An empty list.
    pub fn new() -> Outputs {
        Outputs::default()
    }

    /// Appends one wish.
    pub fn push(&mut self, output: Output) {
        self.list.push(output);
    }

    /// Appends a send whose bytes are copied into the arena.
    pub fn send_copy(&mut self, conn: ConnId, bytes: &[u8]) {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        self.push(Output::Send { conn, bytes: Payload::Arena(start..self.arena.len()) });
    }

    /// Appends a send whose bytes `write` puts straight into the arena.
    pub fn send_with(&mut self, conn: ConnId, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.arena.len();
        write(&mut self.arena);
        self.push(Output::Send { conn, bytes: Payload::Arena(start..self.arena.len()) });
    }

    /// The bytes a payload names.
    pub fn bytes<'a>(&'a self, payload: &'a Payload) -> &'a [u8] {
        match payload {
            Payload::Arena(range) => self.arena.get(range.clone()).unwrap_or_default(),
            Payload::Shared(bytes) => bytes,
        }
    }

    /// The wishes so far, in order.
    pub fn list(&self) -> &[Output] {
        &self.list
    }

    /// The arena that ranges point into.
    pub fn arena(&self) -> &[u8] {
        &self.arena
    }

    /// Takes the wishes out; their arena stays valid until [`Outputs::clear`].
    pub fn take(&mut self) -> Vec<Output> {
        std::mem::take(&mut self.list)
    }

    /// Gives an emptied list back for reuse and forgets the arena.
    pub fn clear(&mut self, mut spent: Vec<Output>) {
        spent.clear();
        if self.list.is_empty() {
            self.list = spent;
        }
        self.arena.clear();
    }

    /// True when nothing is wished for.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

/// When to wake the machine, and why, so that a spinning timer is diagnosed by one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline {
    /// No later than this; earlier does no harm.
    pub at: Mono,
    /// What is due then.
    pub cause: Cause,
}

/// What a deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Cause {
    /// A bounded page of long work is done; the next one is due at once.
    Continue,
    /// The committer may start its next batch, or try one again.
    Commit,
    /// A connection said nothing in time: no hello, no rest of a fragment, no progress on writes, no goodbye.
    Silence,
    /// Pings are due.
    Ping,
    /// Leases end.
    Lease,
    /// A grace ends.
    Grace,
    /// Statuses may have outlived their time, or others are due to hear of a peer's visibility.
    Status,
    /// A client that never acknowledges is due its ping.
    LegacyPing,
    /// Old rows are due to be removed.
    Retention,
    /// The store's health is due to be asked, or its answer is.
    Health,
    /// Hooks that wait in the store are due to be looked for.
    Hook,
    /// A runner is due its word: it went stale, an event its next try, a command its end.
    Runner,
    /// A watcher's rights end, or a topic is due to be looked at.
    Live,
    /// Counters are due to be published.
    Stats,
    /// A broker is due to be dialled, or to have answered.
    Uplink,
    /// A message is due to be sent or given up.
    Outbox,
    /// A program of the host has waited long enough, or been silent for too long.
    Local,
    /// Draining has lasted long enough.
    Drain,
}
