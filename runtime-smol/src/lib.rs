//! Carries bytes, time and store results to machines and their wishes away, on smol.
//!
//! A shard is one thread that drives a local executor: its connections are read, handled and written on that
//! thread. Store lanes are threads of their own. One wake-up of a shard is one *turn* (`shard`): everything
//! that is ready is told to the machine, then its wishes are performed in list order, then each connection
//! with bytes to write is written once.
//!
//! *Does not:* know what any message means. No queue here has a bound of its own: room is counted by the
//! machine (read grants, write credit, windows between shards, one batch in flight).

use std::fmt;
use std::io;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::AtomicU64;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use async_io::Async;
use bytes::Bytes;
use peermesh_core::forward::Courier;
use peermesh_core::ids::ShardId;
use peermesh_core::machine::{Envelope, Listener, Machine, Memory, Order};
use peermesh_core::note::Note;
use peermesh_core::stats::Stats;
use peermesh_core::store::Driver;

use crate::clock::Clock;
use crate::courier::Counter;
use crate::inbox::{Inbox, Post};
use crate::shard::Hub;
use crate::store::Desk;

pub use crate::stream::Socket;

mod clock;
mod conn;
mod courier;
mod dial;
mod inbox;
mod listen;
mod shard;
mod store;
mod stream;

/// Everything a run needs.
pub struct Plan {
    /// Where connections come in, and what is spoken there. Shard 0 takes them all.
    pub listeners: Vec<(Listener, Socket)>,
    /// One machine for each shard; its place is its `ShardId`.
    pub shards: Vec<Box<dyn Machine + Send>>,
    /// The store's lanes: one thread for each driver.
    pub lanes: Lanes,
    /// Carry events to the event target: one thread for each, whatever it has under way. None are needed
    /// where nothing is forwarded.
    pub couriers: Vec<Box<dyn Courier>>,
    /// Takes log records. Must not block.
    pub note: Arc<dyn Fn(Note) + Send + Sync>,
    /// Renders the metrics page from the latest snapshots, whenever a machine wishes for it.
    pub scrape: Arc<Scrape>,
    /// Looks how much memory the program takes, whenever a machine wishes for it. Must not block.
    pub weigh: Arc<Weigh>,
    /// Told when a machine cannot go on. Should end the process; what runs on meanwhile is not to be trusted.
    pub fail: Arc<Fail>,
    /// Lays TLS over what is dialled. Without it, such dials fail.
    pub secure: Option<Arc<Secure>>,
}

/// Makes the metrics page of one snapshot for each shard; true asks for `OpenMetrics`.
pub type Scrape = dyn Fn(&[Stats], bool) -> Bytes + Send + Sync;

/// Looks how much memory the program takes.
pub type Weigh = dyn Fn() -> Memory + Send + Sync;

/// Lays TLS over a stream that is connected to this host, until then: what it gives back carries what is
/// said, in clear. It may block, and must have made sure of the host's name.
pub type Secure = dyn Fn(TcpStream, &str, Instant) -> Result<UnixStream, String> + Send + Sync;

/// Ends the process, saying why.
pub type Fail = dyn Fn(String) + Send + Sync;

impl fmt::Debug for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plan")
            .field("listeners", &self.listeners)
            .field("shards", &self.shards.len())
            .finish_non_exhaustive()
    }
}

/// Drivers that share the work: writes go to the writers' queue, reads to the readers'.
pub struct Lanes {
    /// Take write batches; each takes all that wait (up to a bound) in one call.
    pub writers: Vec<Box<dyn Driver>>,
    /// Take questions.
    pub readers: Vec<Box<dyn Driver>>,
    /// Takes the pings, so that they wait behind no other question, and may hold each as long as it allows.
    /// The end of the run does not wait for it. Where there is none, pings are questions like any other.
    pub health: Option<Box<dyn Driver>>,
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Lanes { writers, readers, health } = self;
        let health = if health.is_some() { "a health lane" } else { "no health lane" };
        write!(f, "Lanes({} writers, {} readers, {health})", writers.len(), readers.len())
    }
}

/// A run in progress. Dropping it does not end the run.
#[derive(Debug)]
pub struct Running {
    inboxes: Arc<[Inbox]>,
    shards: Receiver<thread::Result<()>>,
    lanes: Receiver<thread::Result<()>>,
}

/// Starts the run on threads of its own.
///
/// # Errors
/// When there is no shard, or when a thread or the listener cannot be set up; then nothing runs.
pub fn start(plan: Plan) -> io::Result<Running> {
    if plan.shards.is_empty() || plan.shards.len() > usize::from(u16::MAX) {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a run needs from 1 to 65535 shards"));
    }
    let mut listeners = Vec::with_capacity(plan.listeners.len());
    for (kind, listener) in plan.listeners {
        listeners.push((kind, Async::new(listener)?));
    }
    let inboxes: Arc<[Inbox]> = plan.shards.iter().map(|_| Inbox::default()).collect();
    let (lane_ended, lanes) = channel();
    let desk = Desk::open(plan.lanes, &inboxes, &lane_ended, &plan.fail)?;
    let counter = Counter::open(plan.couriers, &inboxes)?;
    let (ended, shards) = channel();
    let hub = Arc::new(Hub {
        inboxes: Arc::clone(&inboxes),
        desk,
        counter,
        note: plan.note,
        scrape: plan.scrape,
        weigh: plan.weigh,
        fail: plan.fail,
        secure: plan.secure,
        dials: Arc::default(),
        strangers: AtomicU64::new(0),
        snapshots: Mutex::new(vec![Stats::default(); plan.shards.len()]),
        conns: AtomicU64::new(1),
        clock: Clock::start(),
    });
    for (id, machine) in (0..).map(ShardId).zip(plan.shards) {
        let (hub, listeners) = (Arc::clone(&hub), std::mem::take(&mut listeners));
        let work = move || shard::run(id, machine, &hub, listeners);
        if let Err(error) = spawn(format!("shard-{id}"), &ended, work) {
            inboxes.iter().for_each(Inbox::close);
            return Err(error);
        }
    }
    Ok(Running { inboxes, shards, lanes })
}

impl Running {
    /// Hands an order to every shard.
    pub fn order(&self, order: Order) {
        for inbox in self.inboxes.iter() {
            inbox.post(Post::Order(order));
        }
    }

    /// Tells the first shard's machine something, as if the shard itself had.
    pub fn tell(&self, envelope: Envelope) {
        if let Some(inbox) = self.inboxes.first() {
            inbox.post(Post::Relayed { from: ShardId(0), envelope });
        }
    }

    /// Waits until every shard has finished and every lane but the one for pings has let go of its driver.
    ///
    /// # Panics
    /// With the panic of a machine or a driver, where panics unwind.
    pub fn join(self) {
        self.shards.into_iter().chain(self.lanes).for_each(pass_on);
    }

    /// Waits until every shard has finished, and then at most `patience` until every lane but the one for
    /// pings has let go of its driver. False when one still waits for its store, with a request whose answer
    /// nobody waits for any more.
    ///
    /// # Panics
    /// As [`Running::join`].
    pub fn join_within(self, patience: Duration) -> bool {
        self.shards.into_iter().for_each(pass_on);
        let until = Instant::now() + patience;
        loop {
            match self.lanes.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(end) => pass_on(end),
                Err(RecvTimeoutError::Disconnected) => return true,
                Err(RecvTimeoutError::Timeout) => return false,
            }
        }
    }
}

/// Lets the panic of a thread go on in this one.
fn pass_on(end: thread::Result<()>) {
    if let Err(panic) = end {
        panic::resume_unwind(panic);
    }
}

/// Starts a thread that reports its end, panic included, so that nobody waits for a shard that is no more.
fn spawn(
    name: String,
    ended: &Sender<thread::Result<()>>,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<()> {
    let ended = ended.clone();
    thread::Builder::new().name(name).spawn(move || {
        let end = panic::catch_unwind(AssertUnwindSafe(work));
        // Nobody listens when the run was left to itself.
        let _ = ended.send(end);
    })?;
    Ok(())
}

/// Starts a thread whose end nobody waits for; only its panic is reported.
fn spawn_alone(name: &str, fail: &Arc<Fail>, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let (thread_name, fail) = (name.to_owned(), Arc::clone(fail));
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        if panic::catch_unwind(AssertUnwindSafe(work)).is_err() {
            fail(format!("the thread {thread_name} panicked"));
        }
    })?;
    Ok(())
}
