//! One shard: a machine, its connections and its turns, on one thread.
//!
//! *Always holds:* the machine is told one fact at a time. Its wishes are performed in list order. The clock
//! is read once a turn, and a deadline is checked against that reading, never against a timer's word.

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::io::{self, Read};
use std::mem;
use std::net::IpAddr;
use std::panic::{self, AssertUnwindSafe};
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use async_io::Async;
use bytes::Bytes;
use futures_lite::future::poll_fn;
use peermesh_core::ids::{ConnId, ShardId, Ticket};
use peermesh_core::machine::{
    Cause, Closing, Deadline, Ending, Input, Listener, Machine, Memory, Output, Outputs, Payload,
};
use peermesh_core::note::{Level, Note};
use peermesh_core::stats::Stats;
use peermesh_core::store::Request;
use peermesh_core::time::{Mono, Now};
use smol::LocalExecutor;

use crate::clock::{Alarm, Clock};
use crate::conn::{Conn, Link, Parts, Spares, Unwritten, carry};
use crate::courier::Counter;
use crate::dial::dial;
use crate::inbox::{Inbox, Post};
use crate::listen::accept;
use crate::store::Desk;
use crate::stream::{Socket, Stream};
use crate::{Fail, Scrape, Secure, Weigh};

/// Bytes of one chunk, and of the one buffer that all connections of a shard are read into.
const SCRATCH_BYTES: usize = 64 * 1_024;
/// Facts told before the wishes they caused are performed, however many more are ready.
const FACTS_PER_TURN_MAX: usize = 256;

/// Runs a shard on this thread until its machine has finished.
pub(crate) fn run(
    id: ShardId,
    machine: Box<dyn Machine + Send>,
    hub: &Arc<Hub>,
    listeners: Vec<(Listener, Async<Socket>)>,
) {
    let executor = Rc::new(LocalExecutor::new());
    let own = Arc::clone(hub);
    let shard = Rc::new_cyclic(|me| RefCell::new(Shard::new(id, machine, own, &executor, me)));
    for (kind, listener) in listeners {
        executor.spawn(accept(kind, listener, Rc::downgrade(&shard))).detach();
    }
    let turns = executor.spawn(drive(Rc::downgrade(&shard)));
    async_io::block_on(executor.run(turns));
    hub.inbox(id).close();
    if let Some(panic) = shard.borrow_mut().panic.take() {
        panic::resume_unwind(panic);
    }
}

/// The task that takes the turns: woken by whoever has something for the machine, and by the alarm.
async fn drive(shard: Weak<RefCell<Shard>>) {
    let mut alarm = Alarm::new();
    poll_fn(|cx| {
        let Some(shard) = shard.upgrade() else { return Poll::Ready(()) };
        let mut shard = shard.borrow_mut();
        shard.attend(cx);
        shard.turn();
        if let Some(at) = shard.deadline() {
            alarm.wake_by(at, cx);
        }
        if shard.finished { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// See the module's own words.
pub(crate) struct Shard {
    id: ShardId,
    machine: Box<dyn Machine + Send>,
    hub: Arc<Hub>,
    executor: Rc<LocalExecutor<'static>>,
    me: Weak<RefCell<Shard>>,
    conns: HashMap<ConnId, Conn, BuildHasherDefault<Spread>>,
    deadline: Option<Deadline>,
    finished: bool,
    /// What the machine panicked with.
    panic: Option<Box<dyn Any + Send>>,
    /// Wakes the task that takes the turns.
    bell: Option<Waker>,
    /// The bell was rung since the last turn.
    rung: bool,
    /// The clock's reading of the turn under way.
    now: Option<Now>,
    /// Facts told in the turn under way.
    told: usize,
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
    fn new(
        id: ShardId,
        machine: Box<dyn Machine + Send>,
        hub: Arc<Hub>,
        executor: &Rc<LocalExecutor<'static>>,
        me: &Weak<RefCell<Shard>>,
    ) -> Shard {
        Shard {
            id,
            machine,
            hub,
            executor: Rc::clone(executor),
            me: me.clone(),
            conns: HashMap::default(),
            // The first turn wakes the machine, which then knows the time and can say what it needs.
            deadline: Some(Deadline { at: Mono::START, cause: Cause::Continue }),
            finished: false,
            panic: None,
            bell: None,
            rung: false,
            now: None,
            told: 0,
            todo: Outputs::new(),
            dirty: Vec::new(),
            requests: Vec::new(),
            echoes: Vec::new(),
            posts: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES].into_boxed_slice(),
            spares: Spares::default(),
        }
    }

    /// One turn. Connections that were ready have told their chunks before; here follow posts and the
    /// deadline, then the wishes, then one write for each connection that has something to write, and what
    /// came of it.
    pub(crate) fn turn(&mut self) {
        self.rung = false;
        self.take_posts();
        if self.is_due() {
            self.tell(Input::Wake);
        }
        self.perform();
        self.hub.desk.submit(self.id, &mut self.requests);
        self.flush();
        self.tell_echoes();
        let again = !self.todo.is_empty() || self.is_due();
        (self.now, self.told) = (None, 0);
        if again {
            self.ring();
        }
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
                    let conn = parts.id;
                    self.settle(parts);
                    self.tell(Input::Adopted { conn, parcel });
                }
                Post::Forwarded { ticket, result } => self.tell(Input::Forwarded { ticket, result }),
                Post::Dialled { dial, result } => self.dialled(dial, result),
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
                        conn.link.grant();
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
                        self.hub.post(to, Post::Adopted { parts: gone.into_parts(conn), parcel });
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
                Output::Note(note) => self.note(note),
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
                conn.unwritten.share(bytes, conn.link.is_blocked(), &mut self.spares);
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
                    let _ = conn.flush(&mut self.spares);
                }
            }
        }
    }

    fn flush(&mut self) {
        for id in self.dirty.drain(..) {
            let Some(conn) = self.conns.get_mut(&id) else { continue };
            conn.dirty = false;
            match conn.flush(&mut self.spares) {
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
    pub(crate) fn open(&mut self, stream: Async<Stream>, listener: Listener, remote: IpAddr) {
        let conn = self.take_in(stream);
        self.tell_now(Input::Opened { conn, listener, remote });
    }

    /// A dial ended.
    fn dialled(&mut self, dial: Ticket, result: Result<Stream, String>) {
        let watched = result.and_then(|stream| Async::new(stream).map_err(|error| error.to_string()));
        let result = watched.map(|stream| self.take_in(stream));
        self.tell(Input::Dialled { dial, result });
    }

    fn take_in(&mut self, stream: Async<Stream>) -> ConnId {
        let conn = ConnId(self.hub.conns.fetch_add(1, Ordering::Relaxed));
        self.settle(Parts {
            id: conn,
            stream: Arc::new(stream),
            granted: false,
            unwritten: Unwritten::default(),
            ended: false,
            closing: false,
        });
        conn
    }

    /// Gives a connection its task on this shard.
    fn settle(&mut self, parts: Parts) {
        let id = parts.id;
        let link = Rc::new(Link::new(Arc::clone(&parts.stream), parts.granted));
        let task = self.executor.spawn(carry(id, Rc::clone(&link), self.me.clone()));
        self.conns.insert(id, Conn::new(parts, link, task));
        self.writable(id);
    }

    /// A connection with a grant has bytes, or its end, to read.
    pub(crate) fn receive(&mut self, id: ConnId, link: &Link) {
        let mut scratch = mem::take(&mut self.scratch);
        let read = link.stream.get_ref().read(&mut scratch);
        self.hear(id, link, read.map(|bytes| &mut scratch[..bytes]));
        self.scratch = scratch;
    }

    fn hear(&mut self, id: ConnId, link: &Link, read: io::Result<&mut [u8]>) {
        match read {
            Ok([]) => {
                link.spend();
                if let Some(conn) = self.conns.get_mut(&id) {
                    conn.ended = true;
                }
                self.tell_now(Input::Closed { conn: id, how: Ending::Finished });
            }
            Ok(bytes) => {
                link.spend();
                link.filled.set(bytes.len() == SCRATCH_BYTES);
                self.tell_now(Input::Received { conn: id, bytes });
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Err(_) => self.lose(id),
        }
    }

    /// The kernel takes bytes of this connection again.
    pub(crate) fn writable(&mut self, id: ConnId) {
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if (!conn.unwritten.is_empty() || conn.closing) && !mem::replace(&mut conn.dirty, true) {
            self.dirty.push(id);
            self.ring();
        }
    }

    /// The stream is gone.
    pub(crate) fn lose(&mut self, id: ConnId) {
        if self.conns.remove(&id).is_some() {
            self.tell_now(Input::Closed { conn: id, how: Ending::Broken });
        }
    }

    /// Hands a log record out.
    pub(crate) fn note(&self, note: Note) {
        (self.hub.note)(note);
    }

    /// A program of another user was turned away.
    pub(crate) fn refuse(&self, uid: u32) {
        self.hub.refuse(uid);
    }

    /// Tells a fact from outside a turn: its wishes wait for the turn that is rung for here.
    fn tell_now(&mut self, fact: Input<'_>) {
        self.tell(fact);
        // Posts go ahead of chunks that were not read yet: a store that has answered has nothing to do.
        if self.told >= FACTS_PER_TURN_MAX || self.hub.inbox(self.id).has_posts() {
            self.turn();
        }
        self.ring();
    }

    fn tell(&mut self, fact: Input<'_>) {
        if self.finished {
            return;
        }
        let now = self.moment();
        self.told += 1;
        let (machine, todo) = (&mut self.machine, &mut self.todo);
        // The executor would keep a task's panic to itself, and the shard would go on with a machine that is
        // suspect.
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

    fn ring(&mut self) {
        if !mem::replace(&mut self.rung, true)
            && let Some(bell) = &self.bell
        {
            bell.wake_by_ref();
        }
    }

    /// Learns how to wake the task that takes the turns.
    fn attend(&mut self, cx: &Context<'_>) {
        if self.bell.as_ref().is_none_or(|bell| !bell.will_wake(cx.waker())) {
            self.bell = Some(cx.waker().clone());
            self.hub.inbox(self.id).hear(cx.waker().clone());
        }
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
