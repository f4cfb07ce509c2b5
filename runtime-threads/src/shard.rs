//! One shard: a machine, its connections and its turns, behind a lock. Whoever holds the lock is the shard.
//!
//! *Always holds:* the machine is told one fact at a time. Its wishes are performed in list order. The clock
//! is read once a turn, and a deadline is checked against that reading, never against a timer's word. Nobody
//! waits while holding the lock, and nobody holds two.

use std::any::Any;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{self, ErrorKind, Read};
use std::mem;
use std::net::IpAddr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Instant;

use bytes::Bytes;
use peermesh_core::ids::{ConnId, ShardId, Ticket};
use peermesh_core::machine::{
    Cause, Closing, Deadline, Ending, Input, Listener, Machine, Memory, Output, Outputs, Payload,
};
use peermesh_core::note::{Level, Note};
use peermesh_core::stats::Stats;
use peermesh_core::store::Request;
use peermesh_core::time::{Mono, Now};

use crate::clock::{Alarm, Clock};
use crate::conn::{Conn, Hasty, Hold, Link, Parts, Spares, Unwritten, Watch};
use crate::courier::Counter;
use crate::dial::dial;
use crate::inbox::{Inbox, Post};
use crate::listen::Listeners;
use crate::store::Desk;
use crate::{Fail, Scrape, Secure, Weigh};

/// Bytes of one chunk, and of the one buffer that all connections of a shard are read into.
const SCRATCH_BYTES: usize = 64 * 1_024;
/// Rounds of one turn. What its facts lead to beyond them is left to the shard's thread, so that nobody is
/// kept from its own stream.
const ROUNDS_MAX: u32 = 8;

/// All shards of a run.
pub(crate) type Shards = Arc<[Mutex<Shard>]>;

/// Sees to it on this thread that a shard has its turns when no connection gives it any, until its machine
/// has finished.
pub(crate) fn run(id: ShardId, shards: &Shards, hub: &Hub, listeners: Option<Listeners>) {
    loop {
        let mut shard = lock(shards, id);
        shard.turn(|_| ());
        if shard.finished {
            break;
        }
        drop(shard);
        hub.inbox(id).wait();
    }
    hub.inbox(id).close();
    drop(listeners);
    let (conns, panic) = {
        let mut shard = lock(shards, id);
        (mem::take(&mut shard.conns), shard.panic.take())
    };
    drop(conns);
    if let Some(panic) = panic {
        panic::resume_unwind(panic);
    }
}

/// Lets the shard that a connection belongs to do something.
pub(crate) fn at_home<T>(shards: &Shards, link: &Link, deed: impl FnOnce(&mut Shard) -> T) -> T {
    loop {
        let home = link.home();
        let mut shard = lock(shards, home);
        // It may have moved on while this thread waited for the lock.
        if link.home() == home {
            return deed(&mut shard);
        }
    }
}

fn lock(shards: &Shards, id: ShardId) -> MutexGuard<'_, Shard> {
    shards[usize::from(id.0)].lock().unwrap_or_else(|poisoned| {
        // Somebody panicked half way through a turn.
        let mut shard = poisoned.into_inner();
        shard.finished = true;
        shard
    })
}

/// See the module's own words.
pub(crate) struct Shard {
    id: ShardId,
    machine: Box<dyn Machine + Send>,
    hub: Arc<Hub>,
    conns: HashMap<ConnId, Conn, BuildHasherDefault<Spread>>,
    deadline: Option<Deadline>,
    alarm: Alarm,
    finished: bool,
    /// What the machine panicked with.
    panic: Option<Box<dyn Any + Send>>,
    /// The clock's reading of the turn under way.
    now: Option<Now>,
    todo: Outputs,
    dirty: Vec<ConnId>,
    requests: Vec<Request>,
    /// Facts that performing wishes made.
    echoes: Vec<(ConnId, Echo)>,
    posts: Vec<Post>,
    scratch: Box<[u8]>,
    spares: Spares,
}

/// A fact about a connection that comes of performing a wish.
enum Echo {
    Sent(usize),
    Broken,
    Scraped(Bytes),
    Weighed(Memory),
}

impl Shard {
    pub(crate) fn new(id: ShardId, machine: Box<dyn Machine + Send>, hub: Arc<Hub>) -> Shard {
        Shard {
            id,
            machine,
            hub,
            conns: HashMap::default(),
            // The first turn wakes the machine, which then knows the time and can say what it needs.
            deadline: Some(Deadline { at: Mono::START, cause: Cause::Continue }),
            alarm: Alarm::default(),
            finished: false,
            panic: None,
            now: None,
            todo: Outputs::new(),
            dirty: Vec::new(),
            requests: Vec::new(),
            echoes: Vec::new(),
            posts: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            spares: Spares::default(),
        }
    }

    /// One turn: posts, a fact of whoever takes it, and the deadline; then the wishes, then one write for
    /// each connection that has something to write, and what came of it. What was posted before something was
    /// read is told before it.
    fn turn<T>(&mut self, fact: impl FnOnce(&mut Shard) -> T) -> T {
        self.take_posts();
        let told = fact(self);
        if self.is_due() {
            self.tell(Input::Wake);
        }
        for _ in 0..ROUNDS_MAX {
            self.perform();
            self.hub.desk.submit(self.id, &mut self.requests);
            self.flush();
            self.tell_echoes();
            if self.todo.is_empty() {
                break;
            }
        }
        let again = !self.todo.is_empty() || self.is_due() || self.finished;
        self.now = None;
        if again {
            self.hub.inbox(self.id).ring();
        } else if let Some(at) = self.deadline() {
            self.alarm.wake_by(at, self.hub.inbox(self.id));
        }
        told
    }

    fn take_posts(&mut self) {
        let mut posts = mem::take(&mut self.posts);
        if !self.hub.inbox(self.id).take(&mut posts) {
            self.finished = true;
        }
        for post in posts.drain(..) {
            match post {
                Post::Stored { ticket, result } => {
                    self.tell(Input::Stored { ticket, result });
                    // The store has nothing to do until it gets the next batch.
                    self.perform();
                    self.hub.desk.submit(self.id, &mut self.requests);
                }
                Post::Relayed { from, envelope } => self.tell(Input::Relayed { from, envelope }),
                Post::Adopted { parts, parcel } => {
                    let conn = parts.hold.0.id;
                    self.settle(parts);
                    self.tell(Input::Adopted { conn, parcel });
                }
                Post::Forwarded { ticket, result } => self.tell(Input::Forwarded { ticket, result }),
                Post::Undialled { dial, why } => self.tell(Input::Dialled { dial, result: Err(why) }),
                Post::Order(order) => self.tell(Input::Order(order)),
            }
        }
        self.posts = posts;
    }

    /// Performs the wishes in list order. Writes are gathered here and made by `flush`.
    fn perform(&mut self) {
        let mut wishes = self.todo.take();
        for wish in wishes.drain(..) {
            match wish {
                Output::Read { conn } => {
                    if let Some(conn) = self.conns.get(&conn).filter(|conn| !conn.ended) {
                        conn.link().grant();
                    }
                }
                Output::Send { conn, bytes } => self.send(conn, &bytes),
                Output::Close { conn, how } => self.close(conn, how),
                Output::Store(request) => self.requests.push(request),
                Output::Relay { to, envelope } => {
                    self.hub.post(to, Post::Relayed { from: self.id, envelope });
                }
                Output::Handoff { conn, to, parcel } => {
                    if let Some(gone) = self.conns.remove(&conn) {
                        let (link, parts) = (Arc::clone(gone.link()), gone.into_parts());
                        self.hub.post(to, Post::Adopted { parts, parcel });
                        // Whoever looks for it there finds it, or the post.
                        link.move_to(to);
                    }
                }
                Output::Scrape { conn, openmetrics } => {
                    let page = (self.hub.scrape)(&self.hub.snapshots(), openmetrics);
                    self.echoes.push((conn, Echo::Scraped(page)));
                }
                Output::Weigh { conn } => self.echoes.push((conn, Echo::Weighed((self.hub.weigh)()))),
                Output::Forward(forward) => {
                    self.hub.counter.submit(self.id, forward, self.hub.inbox(self.id));
                }
                Output::Dial { dial: no, to } => dial(&self.hub, self.id, no, to),
                Output::Note(note) => (self.hub.note)(note),
                Output::Stats(stats) => self.hub.snapshots()[usize::from(self.id.0)] = *stats,
                Output::Finished => self.finished = true,
                Output::Fail { why } => (self.hub.fail)(why),
            }
        }
        self.todo.clear(wishes);
    }

    fn send(&mut self, id: ConnId, payload: &Payload) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        match payload {
            Payload::Arena(_) => conn.unwritten.copy(self.todo.bytes(payload), &mut self.spares),
            Payload::Shared(bytes) => {
                conn.unwritten.share(bytes, conn.blocked, &mut self.spares);
            }
        }
        if !mem::replace(&mut conn.dirty, true) {
            self.dirty.push(id);
        }
    }

    fn close(&mut self, id: ConnId, how: Closing) {
        match how {
            Closing::Write => {
                let Some(conn) = self.conns.get_mut(&id) else { return };
                conn.closing = true;
                if !mem::replace(&mut conn.dirty, true) {
                    self.dirty.push(id);
                }
            }
            Closing::Both => {
                if let Some(mut conn) = self.conns.remove(&id) {
                    // What stands before this in the list gets its one chance; nobody waits for the outcome.
                    let _ = conn.flush(&mut self.spares, &self.hub.watch);
                }
            }
        }
    }

    fn flush(&mut self) {
        for id in self.dirty.drain(..) {
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            conn.dirty = false;
            match conn.flush(&mut self.spares, &self.hub.watch) {
                Ok(0) => {}
                Ok(bytes) => self.echoes.push((id, Echo::Sent(bytes))),
                Err(_) => {
                    self.conns.remove(&id);
                    self.echoes.push((id, Echo::Broken));
                }
            }
        }
    }

    fn tell_echoes(&mut self) {
        let mut echoes = mem::take(&mut self.echoes);
        for (conn, echo) in echoes.drain(..) {
            self.tell(match echo {
                Echo::Sent(bytes) => Input::Sent { conn, bytes },
                Echo::Broken => Input::Closed { conn, how: Ending::Broken },
                Echo::Scraped(page) => Input::Scraped { conn, page },
                Echo::Weighed(memory) => Input::Weighed { conn, memory },
            });
        }
        self.echoes = echoes;
    }

    /// A stream was accepted.
    pub(crate) fn open(&mut self, link: &Arc<Link>, listener: Listener, remote: IpAddr) {
        self.take_in(link, Input::Opened { conn: link.id, listener, remote });
    }

    /// A dial succeeded.
    pub(crate) fn dialled(&mut self, link: &Arc<Link>, dial: Ticket) {
        self.take_in(link, Input::Dialled { dial, result: Ok(link.id) });
    }

    fn take_in(&mut self, link: &Arc<Link>, fact: Input<'_>) {
        let hold = Hold(Arc::clone(link));
        self.turn(|shard| {
            if !shard.finished {
                shard.settle(Parts { hold, unwritten: Unwritten::default(), ended: false, closing: false });
                shard.tell(fact);
            }
        });
    }

    /// Takes a connection in.
    fn settle(&mut self, parts: Parts) {
        let id = parts.hold.0.id;
        self.conns.insert(id, Conn::new(parts));
        self.rewrite(id);
    }

    /// A connection with a grant has bytes, or its end, to read. False when nothing can come any more.
    pub(crate) fn receive(&mut self, link: &Link) -> bool {
        self.turn(|shard| {
            // If it was on its way here, it has arrived with the posts.
            if shard.conns.contains_key(&link.id) {
                let mut scratch = mem::take(&mut shard.scratch);
                let read = Hasty(&link.stream).read(&mut scratch);
                shard.hear(link, read.map(|bytes| &mut scratch[..bytes]));
                shard.scratch = scratch;
            }
            shard.conns.get(&link.id).is_some_and(|conn| !conn.ended)
        })
    }

    fn hear(&mut self, link: &Link, read: io::Result<&mut [u8]>) {
        match read {
            Ok([]) => {
                link.spend();
                if let Some(conn) = self.conns.get_mut(&link.id) {
                    conn.ended = true;
                }
                self.tell(Input::Closed { conn: link.id, how: Ending::Finished });
            }
            Ok(bytes) => {
                link.spend();
                self.tell(Input::Received { conn: link.id, bytes });
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.forget(link.id),
        }
    }

    /// The kernel takes bytes of this connection again.
    pub(crate) fn writable(&mut self, id: ConnId) {
        self.turn(|shard| {
            if let Some(conn) = shard.conns.get_mut(&id) {
                conn.blocked = false;
                shard.rewrite(id);
            }
        });
    }

    /// Writes in this turn what waits to be written.
    fn rewrite(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if (!conn.unwritten.is_empty() || conn.closing) && !mem::replace(&mut conn.dirty, true) {
            self.dirty.push(id);
        }
    }

    /// The stream is gone.
    pub(crate) fn lose(&mut self, id: ConnId) {
        self.turn(|shard| shard.forget(id));
    }

    fn forget(&mut self, id: ConnId) {
        if self.conns.remove(&id).is_some() {
            self.tell(Input::Closed { conn: id, how: Ending::Broken });
        }
    }

    fn tell(&mut self, fact: Input<'_>) {
        if self.finished {
            return;
        }
        let now = self.moment();
        let (machine, todo) = (&mut self.machine, &mut self.todo);
        // The thread of a connection would keep a panic to itself, and the shard would go on with a machine
        // that is suspect.
        match panic::catch_unwind(AssertUnwindSafe(|| machine.handle(now, fact, todo))) {
            Ok(deadline) => self.deadline = deadline,
            Err(panic) => (self.panic, self.finished) = (Some(panic), true),
        }
    }

    fn moment(&mut self) -> Now {
        *self.now.get_or_insert_with(|| self.hub.clock.now())
    }

    fn is_due(&mut self) -> bool {
        let now = self.moment();
        self.deadline.is_some_and(|deadline| deadline.at <= now.mono)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline.and_then(|deadline| self.hub.clock.instant(deadline.at))
    }
}

/// Spreads connection ids over a map. They are issued here, so nobody can choose them to collide.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, id: u64) {
        // Two to the 64th, divided by the golden ratio: neighbours end up far apart.
        self.0 = (self.0 ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// What all shards of a run share.
pub(crate) struct Hub {
    pub(crate) inboxes: Arc<[Inbox]>,
    pub(crate) desk: Desk,
    pub(crate) counter: Counter,
    pub(crate) note: Arc<dyn Fn(Note) + Send + Sync>,
    pub(crate) scrape: Arc<Scrape>,
    pub(crate) weigh: Arc<Weigh>,
    pub(crate) fail: Arc<Fail>,
    pub(crate) secure: Option<Arc<Secure>>,
    /// Dials under way.
    pub(crate) dials: Arc<AtomicUsize>,
    /// Connections of other users that were turned away.
    pub(crate) strangers: AtomicU64,
    /// The latest snapshot of each shard.
    pub(crate) snapshots: Mutex<Vec<Stats>>,
    /// The next connection's id.
    pub(crate) conns: AtomicU64,
    /// How many more connections can have a thread.
    pub(crate) seats: Arc<AtomicUsize>,
    pub(crate) watch: Watch,
    /// For dials, whose streams get their threads without a listener.
    pub(crate) shards: OnceLock<Weak<[Mutex<Shard>]>>,
    pub(crate) clock: Clock,
}

impl Hub {
    fn inbox(&self, of: ShardId) -> &Inbox {
        &self.inboxes[usize::from(of.0)]
    }

    pub(crate) fn post(&self, to: ShardId, post: Post) {
        if let Some(inbox) = self.inboxes.get(usize::from(to.0)) {
            inbox.post(post);
        }
    }

    /// Counts a program of another user, which was turned away, and says so ever more rarely.
    pub(crate) fn refuse(&self, uid: u32) {
        let refused = self.strangers.fetch_add(1, Ordering::Relaxed) + 1;
        if refused.is_power_of_two() {
            let note = Note::new(Level::Warn, "another user was turned away from the local socket");
            (self.note)(note.with("uid", uid).with("refused", refused));
        }
    }

    fn snapshots(&self) -> MutexGuard<'_, Vec<Stats>> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
