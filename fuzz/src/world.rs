//! A broker with its store and its streams, one fact at a time.
//!
//! Time is virtual, chance comes from a fixed seed, and nothing happens that the caller did not ask for: the
//! same calls make the same world. *Always holds*, and panics otherwise: the broker sends only on streams
//! that are open, has no more on its way than its window, asks for one chunk at a time, does not spin, and
//! logs no error that the store did not cause.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use peermesh_core::broker::{Broker, Setup};
use peermesh_core::config::Limits;
use peermesh_core::forward::Forwarded;
use peermesh_core::ids::{ConnId, ShardId, Ticket};
use peermesh_core::machine::{
    Closing, Deadline, Ending, Input, Listener, Machine, Memory, Order, Output, Outputs,
};
use peermesh_core::note::Level;
use peermesh_core::store::model::Model;
use peermesh_core::store::{Driver, Request, StoreError, StoreResult, Work};
use peermesh_core::time::{Mono, Now, Wall};

use crate::ground::{BIRTH_MS, STORE, config};

/// Facts told at one moment before the broker counts as spinning.
const FACTS_PER_MOMENT_MAX: u32 = 200_000;
/// Bytes of one chunk.
const CHUNK_BYTES: usize = 64 * 1_024;

/// How the store does what it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mood {
    /// It does it.
    #[default]
    Well,
    /// It says nothing for now.
    Silent,
    /// It refuses everything.
    Unavailable,
    /// It has room for nothing more.
    Full,
    /// It does it, and its reply is lost.
    ForgetsReplies,
    /// It does nothing, and nobody knows.
    LosesCommits,
}

/// See the module's own words.
#[derive(Debug)]
pub struct World {
    broker: Broker,
    limits: Arc<Limits>,
    life: u8,
    store: Model,
    mood: Mood,
    streams: BTreeMap<ConnId, Stream>,
    facts: VecDeque<Fact>,
    requests: VecDeque<Request>,
    deadline: Option<Deadline>,
    finished: bool,
    millis: u64,
    /// How far the wall clock was moved.
    jumped: i64,
    conns: u64,
    trace: DefaultHasher,
}

/// A fact that comes of performing a wish.
#[derive(Debug)]
enum Fact {
    Scraped(ConnId),
    Weighed(ConnId),
    Forwarded(Ticket),
}

/// A stream as both ends see it.
#[derive(Debug, Default)]
struct Stream {
    /// Bytes for the broker.
    inbound: Vec<u8>,
    granted: bool,
    /// The peer's side ended.
    hung_up: bool,
    /// The broker knows that it did.
    told: bool,
    /// Bytes from the broker.
    outbound: Vec<u8>,
    /// Bytes whose credit the broker has not got back.
    untaken: usize,
    /// The peer takes nothing.
    stuck: bool,
    /// The broker's side ended.
    ended: bool,
}

impl World {
    /// A broker at its start over the [ground](STORE).
    ///
    /// # Panics
    /// When the limits contradict each other.
    pub fn new(limits: &Arc<Limits>) -> World {
        assert_eq!(limits.check(), Ok(()));
        let mut world = World {
            broker: broker(limits, 1),
            limits: Arc::clone(limits),
            life: 1,
            store: STORE.clone(),
            mood: Mood::Well,
            streams: BTreeMap::new(),
            facts: VecDeque::new(),
            requests: VecDeque::new(),
            deadline: None,
            finished: false,
            millis: 0,
            jumped: 0,
            conns: 0,
            trace: DefaultHasher::new(),
        };
        world.tell(Input::Wake);
        world.settle();
        world
    }

    /// Unix milliseconds, as the broker knows them.
    pub fn wall(&self) -> i64 {
        BIRTH_MS.saturating_add_unsigned(self.millis).saturating_add(self.jumped)
    }

    /// Moves the wall clock.
    pub fn jump(&mut self, millis: i64) {
        self.jumped = self.jumped.saturating_add(millis);
    }

    /// Changes the store's mood. What it said nothing to is done in the new one.
    pub fn set_mood(&mut self, mood: Mood) {
        self.mood = mood;
    }

    /// What is stored.
    pub fn store(&self) -> &Model {
        &self.store
    }

    /// A sum over everything the broker wished for.
    pub fn trace(&self) -> u64 {
        self.trace.finish()
    }

    /// True once the broker has ended.
    pub fn is_over(&self) -> bool {
        self.finished
    }

    /// A new stream.
    pub fn dial(&mut self, listener: Listener) -> ConnId {
        self.conns += 1;
        let conn = ConnId(self.conns);
        self.streams.insert(conn, Stream::default());
        self.tell(Input::Opened { conn, listener, remote: IpAddr::V4(Ipv4Addr::LOCALHOST) });
        conn
    }

    /// Bytes for the broker, which it reads when it asks for them.
    pub fn write(&mut self, conn: ConnId, bytes: &[u8]) {
        if let Some(stream) = self.streams.get_mut(&conn).filter(|stream| !stream.hung_up) {
            stream.inbound.extend_from_slice(bytes);
        }
    }

    /// The peer's side ends.
    pub fn hang_up(&mut self, conn: ConnId) {
        if let Some(stream) = self.streams.get_mut(&conn) {
            stream.hung_up = true;
        }
    }

    /// The stream is gone.
    pub fn cut(&mut self, conn: ConnId) {
        if self.streams.remove(&conn).is_some() {
            self.tell(Input::Closed { conn, how: Ending::Broken });
        }
    }

    /// Whether the peer takes bytes.
    pub fn set_stuck(&mut self, conn: ConnId, stuck: bool) {
        if let Some(stream) = self.streams.get_mut(&conn) {
            stream.stuck = stuck;
        }
    }

    /// The peer takes so many of the bytes on their way, stuck or not.
    pub fn take(&mut self, conn: ConnId, bytes: usize) {
        let Some(stream) = self.streams.get_mut(&conn) else { return };
        let bytes = bytes.min(stream.untaken);
        stream.untaken -= bytes;
        if bytes > 0 {
            self.tell(Input::Sent { conn, bytes });
        }
    }

    /// True while the broker has not ended its side.
    pub fn is_open(&self, conn: ConnId) -> bool {
        self.streams.get(&conn).is_some_and(|stream| !stream.ended)
    }

    /// What the broker wrote since the last look.
    pub fn read(&mut self, conn: ConnId) -> Vec<u8> {
        self.streams.get_mut(&conn).map(|stream| std::mem::take(&mut stream.outbound)).unwrap_or_default()
    }

    /// The operator's wish.
    pub fn drain(&mut self) {
        self.tell(Input::Order(Order::Drain));
    }

    /// The process dies and starts again over what is stored; all streams are gone.
    pub fn restart(&mut self) {
        self.life = self.life.wrapping_add(1);
        self.broker = broker(&self.limits, self.life);
        self.streams.clear();
        self.facts.clear();
        self.requests.clear();
        self.finished = false;
        self.tell(Input::Wake);
    }

    /// Lets time pass, from one deadline to the next.
    pub fn wait(&mut self, millis: u64) {
        let until = self.millis.saturating_add(millis);
        self.settle();
        while let Some(deadline) = self.deadline.filter(|deadline| deadline.at <= moment(until)) {
            if self.finished {
                break;
            }
            // A deadline between two milliseconds is met at the next, which may be the last one.
            self.millis = self.millis.max(deadline.at.as_nanos().div_ceil(1_000_000));
            self.settle();
        }
        self.millis = until;
    }

    /// Everything that can happen at this moment.
    ///
    /// # Panics
    /// When it does not come to an end.
    pub fn settle(&mut self) {
        for _ in 0..FACTS_PER_MOMENT_MAX {
            if !self.step() {
                return;
            }
        }
        panic!("the broker spins; its deadline: {:?}", self.deadline);
    }

    fn step(&mut self) -> bool {
        if self.finished {
            return false;
        }
        if let Some(fact) = self.facts.pop_front() {
            match fact {
                Fact::Scraped(conn) => self.tell(Input::Scraped { conn, page: "page\n".into() }),
                Fact::Weighed(conn) => {
                    self.tell(Input::Weighed {
                        conn,
                        memory: Memory { rss: 3, heap_total: 2, heap_used: 1 },
                    });
                }
                Fact::Forwarded(ticket) => {
                    let result = Forwarded::Answered { status: 200, retry_after: None };
                    self.tell(Input::Forwarded { ticket, result });
                }
            }
            return true;
        }
        if self.mood != Mood::Silent
            && let Some(Request { ticket, work }) = self.requests.pop_front()
        {
            let result = self.perform_store(&work);
            self.tell(Input::Stored { ticket, result });
            return true;
        }
        let taker = self.streams.iter().find(|(_, stream)| !stream.stuck && stream.untaken > 0);
        if let Some((&conn, stream)) = taker {
            let bytes = stream.untaken;
            self.take(conn, bytes);
            return true;
        }
        let readable = |stream: &Stream| {
            stream.granted && (!stream.inbound.is_empty() || stream.hung_up && !stream.told)
        };
        if let Some((&conn, _)) = self.streams.iter().find(|(_, stream)| readable(stream)) {
            self.tell_stream(conn);
            return true;
        }
        if self.deadline.is_some_and(|deadline| deadline.at <= self.mono()) {
            self.tell(Input::Wake);
            return true;
        }
        false
    }

    fn tell_stream(&mut self, conn: ConnId) {
        let Some(stream) = self.streams.get_mut(&conn) else { return };
        stream.granted = false;
        if stream.inbound.is_empty() {
            stream.told = true;
            return self.tell(Input::Closed { conn, how: Ending::Finished });
        }
        let rest = stream.inbound.split_off(stream.inbound.len().min(CHUNK_BYTES));
        let mut chunk = std::mem::replace(&mut stream.inbound, rest);
        self.tell(Input::Received { conn, bytes: &mut chunk });
    }

    fn perform_store(&mut self, work: &Work) -> StoreResult {
        let lost = || Err(StoreError::Unknown("the reply was lost".to_owned()));
        let down = || Err(StoreError::Unavailable("not now".to_owned()));
        let refused = match (self.mood, work) {
            (Mood::Unavailable, _) => Some(down()),
            (Mood::Full, Work::Write(_)) => Some(Err(StoreError::Full)),
            (Mood::LosesCommits, Work::Write(_)) => Some(lost()),
            _ => None,
        };
        if let Some(refused) = refused {
            return refused;
        }
        match work {
            Work::Read(query) => self.store.read(query),
            Work::Write(batch) => {
                let result = self.store.write(std::slice::from_ref(batch)).pop();
                if self.mood == Mood::ForgetsReplies { lost() } else { result.unwrap_or_else(lost) }
            }
        }
    }

    fn mono(&self) -> Mono {
        moment(self.millis)
    }

    fn tell(&mut self, input: Input<'_>) {
        if self.finished {
            return;
        }
        let now = Now { mono: self.mono(), wall: Wall::from_millis(self.wall()) };
        let mut todo = Outputs::new();
        self.deadline = self.broker.handle(now, input, &mut todo);
        for wish in todo.take() {
            self.perform(wish, &todo);
        }
    }

    fn perform(&mut self, wish: Output, arena: &Outputs) {
        match wish {
            Output::Read { conn } => {
                "read".hash(&mut self.trace);
                conn.hash(&mut self.trace);
                if let Some(stream) = self.streams.get_mut(&conn) {
                    assert!(!stream.granted && !stream.told, "{conn}: one chunk at a time");
                    stream.granted = true;
                }
            }
            Output::Send { conn, bytes } => {
                let bytes = arena.bytes(&bytes);
                (conn, bytes).hash(&mut self.trace);
                let window = self.limits.send_window_bytes();
                if let Some(stream) = self.streams.get_mut(&conn) {
                    assert!(!stream.ended, "{conn}: bytes after the end");
                    stream.outbound.extend_from_slice(bytes);
                    stream.untaken += bytes.len();
                    assert!(stream.untaken as u64 <= window, "{conn}: {} on their way", stream.untaken);
                }
            }
            Output::Close { conn, how } => {
                "close".hash(&mut self.trace);
                conn.hash(&mut self.trace);
                match how {
                    Closing::Both => drop(self.streams.remove(&conn)),
                    Closing::Write => {
                        if let Some(stream) = self.streams.get_mut(&conn) {
                            stream.ended = true;
                        }
                    }
                }
            }
            Output::Store(request) => {
                request.ticket.hash(&mut self.trace);
                self.requests.push_back(request);
            }
            Output::Scrape { conn, .. } => self.facts.push_back(Fact::Scraped(conn)),
            Output::Weigh { conn } => self.facts.push_back(Fact::Weighed(conn)),
            Output::Forward(forward) => self.facts.push_back(Fact::Forwarded(forward.ticket)),
            Output::Note(note) => {
                let caused = self.mood != Mood::Well || note.msg == "db ping failed";
                assert!(note.level != Level::Error || caused, "{note:?}");
            }
            Output::Stats(_) => {}
            Output::Finished => self.finished = true,
            Output::Relay { .. } | Output::Handoff { .. } => panic!("there is no other shard"),
            Output::Dial { .. } => panic!("a broker dials nobody"),
            Output::Fail { why } => panic!("{why}"),
        }
    }
}

fn broker(limits: &Arc<Limits>, life: u8) -> Broker {
    Broker::new(Setup { shard: ShardId(0), shards: 1, config: config(limits), seed: [life; 32] })
}

fn moment(millis: u64) -> Mono {
    Mono::START.after_millis(millis)
}
