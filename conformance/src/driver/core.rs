//! The stage in memory: machines, streams and store in one place, and time that jumps from event to event.
//!
//! *Always holds:* whatever is due at a moment happens in the order in which it became due, so that a story
//! takes the same course every time. Store requests are performed at the end of their delay, so a crash
//! before that loses them.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::mem;
use std::net::{IpAddr, Ipv4Addr};

use bytes::Bytes;
use peermesh_core::broker::Publication;
use peermesh_core::forward::Forwarded;
use peermesh_core::ids::{ConnId, HistoryEpoch, ShardId, Ticket};
use peermesh_core::machine::{
    Closing, Deadline, Ending, Envelope, Input, Listener, Machine, Memory as Figures, Order, Output, Outputs,
    Parcel, Payload,
};
use peermesh_core::note::{Level, Note};
use peermesh_core::stats::Stats;
use peermesh_core::store::model::Model;
use peermesh_core::store::{Driver, Query, Request, StoreError, StoreResult, Work};
use peermesh_core::time::{Mono, Now, Wall};

use crate::driver::moody::{Moody, SharedMood};
use crate::driver::rival::{Shared, Sides};
use crate::driver::target::SharedTarget;
use crate::driver::{Fed, LineId, Stage, brokers, config, page};
use crate::story::act::{Mood, Sharing};
use crate::story::{Terms, Told};

/// The broker's wall clock when a story begins: 2023-11-14T22:13:20Z.
const BIRTH_MS: i64 = 1_700_000_000_000;
/// What every program takes here.
const MEMORY: Figures = Figures { rss: 3_000, heap_total: 2_000, heap_used: 1_000 };
/// Why no dial succeeds here.
const ALONE: &str = "there is nobody to dial";
/// Bytes of one chunk.
const CHUNK_BYTES: usize = 64 * 1_024;
/// Facts told at one moment before the broker counts as spinning.
const FACTS_PER_MOMENT_MAX: u32 = 1_000_000;

/// The shards of one life.
pub type Makes = Box<dyn Fn(u8) -> Vec<Box<dyn Machine>>>;

/// See the module's own words.
pub struct Memory {
    make: Makes,
    life: u8,
    shards: Vec<Shard>,
    store: Moody<Box<dyn Driver>>,
    mood: SharedMood,
    /// The store, if another broker may use it too.
    shared: Option<(Shared, Sides)>,
    copy: Option<Model>,
    lines: Vec<Line>,
    conns: BTreeMap<ConnId, LineId>,
    /// Facts to be told, in order.
    facts: VecDeque<(ShardId, Fact)>,
    /// Store requests by the moment they end, then by number.
    requests: BTreeMap<(Mono, u64), (ShardId, Request)>,
    /// Requests to the event target by the moment they end, then by number.
    flights: BTreeMap<(Mono, u64), (ShardId, Ticket, Forwarded)>,
    target: SharedTarget,
    /// Numbers requests and connections.
    count: u64,
    snapshots: Vec<Stats>,
    notes: Vec<Note>,
    now: Mono,
    /// How far the wall clock was moved, in milliseconds.
    jumped: i64,
    todo: Outputs,
}

struct Shard {
    machine: Box<dyn Machine>,
    deadline: Option<Deadline>,
    finished: bool,
}

/// A stream as both ends see it.
struct Line {
    conn: ConnId,
    /// Who owns its connection.
    shard: ShardId,
    /// Bytes the broker has not read.
    inbound: Vec<u8>,
    granted: bool,
    /// Our side ended.
    hung_up: bool,
    /// The broker knows that our side ended.
    told: bool,
    /// Bytes we have not read.
    outbound: Vec<u8>,
    reading: bool,
    /// Bytes whose credit the broker gets back when we read again.
    owed: usize,
    /// The broker's side ended.
    ended: bool,
}

/// An input that can wait.
enum Fact {
    Opened(ConnId, Listener, IpAddr),
    Sent(ConnId, usize),
    Broken(ConnId),
    Stored(Ticket, StoreResult),
    Relayed(ShardId, Envelope),
    Adopted(ConnId, Parcel),
    Scraped(ConnId, Bytes),
    Weighed(ConnId),
    Forwarded(Ticket, Forwarded),
    Undialled(Ticket),
    Feed,
    Drain,
    Wake,
}

impl Memory {
    /// A broker over the model store, as a story wants it.
    ///
    /// # Errors
    /// When its terms are no configuration.
    pub fn new(terms: &Terms) -> Told<Memory> {
        let (config, shards) = (config(terms)?, terms.shards);
        let make = move |life| {
            let boxed = |broker| Box::new(broker) as Box<dyn Machine>;
            brokers(&config, shards, life).into_iter().map(boxed).collect()
        };
        let shared = Shared::new();
        let mut memory = Memory::of(Box::new(make), Box::new(shared.clone()));
        memory.shared = Some((shared, Sides::default()));
        Ok(memory)
    }

    /// Any machines over any store.
    pub fn of(make: Makes, store: Box<dyn Driver>) -> Memory {
        let mood = SharedMood::default();
        let mut memory = Memory {
            make,
            life: 0,
            shards: Vec::new(),
            store: Moody::timeless(store, mood.clone()),
            mood,
            shared: None,
            copy: None,
            lines: Vec::new(),
            conns: BTreeMap::new(),
            facts: VecDeque::new(),
            requests: BTreeMap::new(),
            flights: BTreeMap::new(),
            target: SharedTarget::default(),
            count: 0,
            snapshots: Vec::new(),
            notes: Vec::new(),
            now: Mono::START,
            jumped: 0,
            todo: Outputs::new(),
        };
        memory.live();
        memory
    }

    fn live(&mut self) {
        self.life += 1;
        let shards = (self.make)(self.life);
        self.snapshots = vec![Stats::default(); shards.len()];
        self.shards =
            shards.into_iter().map(|machine| Shard { machine, deadline: None, finished: false }).collect();
        for id in self.ids() {
            self.facts.push_back((id, Fact::Wake));
        }
    }

    fn ids(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..u16::try_from(self.shards.len()).unwrap_or(u16::MAX)).map(ShardId)
    }

    /// Everything that is due at this moment; true when there was anything.
    fn settle(&mut self) -> Told<bool> {
        for told in 0..FACTS_PER_MOMENT_MAX {
            if !self.tell_next() {
                return Ok(told > 0);
            }
        }
        let causes: Vec<_> = self.shards.iter().map(|shard| shard.deadline).collect();
        Err(format!("the broker spins; its deadlines: {causes:?}").into())
    }

    fn tell_next(&mut self) -> bool {
        if let Some((shard, fact)) = self.facts.pop_front() {
            self.tell_fact(shard, fact);
        } else if let Some(line) = self.lines.iter().position(Line::is_readable) {
            self.tell_line(line);
        } else if let Some(entry) = self.requests.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (shard, Request { ticket, work }) = entry.remove();
            let result = self.perform_store(&work);
            self.facts.push_back((shard, Fact::Stored(ticket, result)));
        } else if let Some(entry) = self.flights.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (shard, ticket, result) = entry.remove();
            self.facts.push_back((shard, Fact::Forwarded(ticket, result)));
        } else if let Some(id) = self.ids().find(|id| self.shards[place(*id)].is_due(self.now)) {
            self.facts.push_back((id, Fact::Wake));
        } else {
            return false;
        }
        true
    }

    fn perform_store(&mut self, work: &Work) -> StoreResult {
        match work {
            Work::Read(query) => self.store.read(query),
            Work::Write(batch) => {
                let missing = || Err(StoreError::Unknown("the driver gave no result".to_owned()));
                self.store.write(std::slice::from_ref(batch)).pop().unwrap_or_else(missing)
            }
        }
    }

    fn tell_fact(&mut self, shard: ShardId, fact: Fact) {
        let input = match fact {
            Fact::Opened(conn, listener, remote) => Input::Opened { conn, listener, remote },
            Fact::Forwarded(ticket, result) => Input::Forwarded { ticket, result },
            Fact::Undialled(dial) => Input::Dialled { dial, result: Err(ALONE.to_owned()) },
            Fact::Weighed(conn) => Input::Weighed { conn, memory: MEMORY },
            Fact::Sent(conn, bytes) => Input::Sent { conn, bytes },
            Fact::Broken(conn) => {
                self.conns.remove(&conn);
                Input::Closed { conn, how: Ending::Broken }
            }
            Fact::Stored(ticket, result) => Input::Stored { ticket, result },
            Fact::Relayed(from, envelope) => Input::Relayed { from, envelope },
            Fact::Adopted(conn, parcel) => Input::Adopted { conn, parcel },
            Fact::Scraped(conn, page) => Input::Scraped { conn, page },
            Fact::Feed => Input::Order(Order::Feed),
            Fact::Drain => Input::Order(Order::Drain),
            Fact::Wake => Input::Wake,
        };
        self.tell(shard, input);
    }

    /// One chunk of a stream that the broker may read, or its end.
    fn tell_line(&mut self, place: usize) {
        let line = &mut self.lines[place];
        let (shard, conn) = (line.shard, line.conn);
        line.granted = false;
        if line.inbound.is_empty() {
            line.told = true;
            self.tell(shard, Input::Closed { conn, how: Ending::Finished });
            return;
        }
        let rest = line.inbound.split_off(line.inbound.len().min(CHUNK_BYTES));
        let mut chunk = mem::replace(&mut line.inbound, rest);
        self.tell(shard, Input::Received { conn, bytes: &mut chunk });
    }

    fn tell(&mut self, id: ShardId, input: Input<'_>) {
        let now = Now { mono: self.now, wall: Wall::from_millis(self.wall()) };
        let mut todo = mem::take(&mut self.todo);
        let shard = &mut self.shards[place(id)];
        if !shard.finished {
            shard.deadline = shard.machine.handle(now, input, &mut todo);
        }
        let mut wishes = todo.take();
        for wish in wishes.drain(..) {
            self.perform(id, wish, &todo);
        }
        todo.clear(wishes);
        self.todo = todo;
    }

    fn perform(&mut self, id: ShardId, wish: Output, arena: &Outputs) {
        match wish {
            Output::Read { conn } => {
                if let Some(line) = self.line(conn) {
                    line.granted = true;
                }
            }
            Output::Send { conn, bytes } => self.send(id, conn, &bytes, arena),
            Output::Close { conn, how } => {
                if let Some(line) = self.line(conn) {
                    line.ended = true;
                }
                if how == Closing::Both {
                    self.conns.remove(&conn);
                }
            }
            Output::Store(request) => {
                self.count += 1;
                // Pings have a lane of their own, which no other request makes slow.
                let is_ping = matches!(request.work, Work::Read(Query::Ping { .. }));
                let delay_ms = if is_ping { 0 } else { self.mood.mood().delay_ms };
                let due = self.now.after_millis(delay_ms);
                self.requests.insert((due, self.count), (id, request));
            }
            Output::Relay { to, envelope } => self.facts.push_back((to, Fact::Relayed(id, envelope))),
            Output::Handoff { conn, to, parcel } => {
                if let Some(line) = self.line(conn) {
                    line.shard = to;
                    self.facts.push_back((to, Fact::Adopted(conn, parcel)));
                }
            }
            Output::Scrape { conn, openmetrics: _ } => {
                self.facts.push_back((id, Fact::Scraped(conn, page(&self.snapshots))));
            }
            Output::Weigh { conn } => self.facts.push_back((id, Fact::Weighed(conn))),
            Output::Forward(forward) => {
                self.count += 1;
                let (result, delay_ms) = self.target.take(&forward);
                let due = (self.now.after_millis(delay_ms), self.count);
                self.flights.insert(due, (id, forward.ticket, result));
            }
            Output::Dial { dial, to: _ } => self.facts.push_back((id, Fact::Undialled(dial))),
            Output::Note(note) => self.notes.push(note),
            Output::Stats(stats) => self.snapshots[place(id)] = *stats,
            Output::Finished => self.finish(id),
            Output::Fail { why } => self.notes.push(Note::new(Level::Error, "failed").with("why", why)),
        }
    }

    fn send(&mut self, id: ShardId, conn: ConnId, payload: &Payload, arena: &Outputs) {
        let Some(line) = self.line(conn) else { return };
        let bytes = arena.bytes(payload);
        line.outbound.extend_from_slice(bytes);
        if !line.reading {
            line.owed += bytes.len();
            return;
        }
        match self.facts.back_mut() {
            Some((_, Fact::Sent(last, sent))) if *last == conn => *sent += bytes.len(),
            _ => self.facts.push_back((id, Fact::Sent(conn, bytes.len()))),
        }
    }

    fn finish(&mut self, id: ShardId) {
        self.shards[place(id)].finished = true;
        self.shards[place(id)].deadline = None;
        let ends = self.lines.iter_mut().filter(|line| line.shard == id);
        for line in ends {
            line.ended = true;
            self.conns.remove(&line.conn);
        }
    }

    /// The stream of a connection the broker still knows.
    fn line(&mut self, conn: ConnId) -> Option<&mut Line> {
        self.conns.get(&conn).map(|line| &mut self.lines[line.0])
    }
}

impl Stage for Memory {
    fn dial(&mut self, at: Listener, from: Option<IpAddr>) -> Told<LineId> {
        if self.is_over() {
            return Err("nobody listens: the broker has ended".into());
        }
        self.count += 1;
        let (conn, id) = (ConnId(self.count), LineId(self.lines.len()));
        self.conns.insert(conn, id);
        self.lines.push(Line {
            conn,
            shard: ShardId(0),
            inbound: Vec::new(),
            granted: false,
            hung_up: false,
            told: false,
            outbound: Vec::new(),
            reading: true,
            owed: 0,
            ended: false,
        });
        let remote = from.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        self.facts.push_back((ShardId(0), Fact::Opened(conn, at, remote)));
        Ok(id)
    }

    fn write(&mut self, line: LineId, bytes: &[u8]) {
        let line = &mut self.lines[line.0];
        if self.conns.contains_key(&line.conn) && !line.hung_up {
            line.inbound.extend_from_slice(bytes);
        }
    }

    fn hang_up(&mut self, line: LineId) {
        self.lines[line.0].hung_up = true;
    }

    fn drop_line(&mut self, line: LineId) {
        let line = &mut self.lines[line.0];
        line.granted = false;
        line.ended = true;
        if self.conns.contains_key(&line.conn) {
            self.facts.push_back((line.shard, Fact::Broken(line.conn)));
        }
    }

    fn set_reading(&mut self, line: LineId, reading: bool) {
        let line = &mut self.lines[line.0];
        line.reading = reading;
        if reading && line.owed > 0 {
            self.facts.push_back((line.shard, Fact::Sent(line.conn, mem::take(&mut line.owed))));
        }
    }

    fn read(&mut self, line: LineId, into: &mut Vec<u8>) -> bool {
        let line = &mut self.lines[line.0];
        if !line.reading {
            return false;
        }
        into.append(&mut line.outbound);
        line.ended
    }

    fn step(&mut self, until: u64) -> Told<bool> {
        if self.settle()? {
            return Ok(true);
        }
        let until = Mono::START.after_millis(until);
        let deadlines = self.shards.iter().filter_map(|shard| shard.deadline.map(|deadline| deadline.at));
        let stored = self.requests.keys().map(|(due, _)| *due);
        let flown = self.flights.keys().map(|(due, _)| *due);
        let next = deadlines.chain(stored).chain(flown).min();
        match next {
            Some(next) if next <= until => {
                self.now = self.now.max(next);
                self.settle()
            }
            Some(_) | None => {
                self.now = self.now.max(until);
                Ok(false)
            }
        }
    }

    fn now(&self) -> u64 {
        self.now.millis_since(Mono::START)
    }

    fn wall(&self) -> i64 {
        BIRTH_MS + self.jumped + i64::try_from(self.now()).unwrap_or(i64::MAX)
    }

    fn jump(&mut self, millis: i64) -> Told<()> {
        self.jumped += millis;
        Ok(())
    }

    fn drain(&mut self) {
        for id in self.ids() {
            self.facts.push_back((id, Fact::Drain));
        }
    }

    fn cut(&mut self) {
        self.facts.clear();
        self.requests.clear();
        self.flights.clear();
        for id in self.ids() {
            self.finish(id);
        }
    }

    fn is_over(&self) -> bool {
        self.shards.iter().all(|shard| shard.finished)
    }

    fn start(&mut self) -> Told<()> {
        self.cut();
        if let Some((shared, sides)) = &mut self.shared {
            shared.restart(sides);
        }
        self.live();
        Ok(())
    }

    fn set_mood(&mut self, mood: Mood) {
        self.mood.set(mood);
    }

    fn share(&mut self, sharing: &Sharing) -> Told<()> {
        let now = Wall::from_millis(self.wall());
        let (shared, sides) = self.shared.as_mut().ok_or("this store has one broker")?;
        shared.perform(sides, sharing, now)
    }

    fn feed(&mut self, row: Fed) -> Told<()> {
        let (shared, sides) = self.shared.as_mut().ok_or("there is no such store here")?;
        shared.feed(sides, row);
        for id in self.ids() {
            self.facts.push_back((id, Fact::Feed));
        }
        Ok(())
    }

    fn publish(&mut self, Fed { topic, key, version, data }: Fed) -> Told<()> {
        let first = ShardId(0);
        let envelope = Publication { topic, key, version, data }.seal();
        self.facts.push_back((first, Fact::Relayed(first, envelope)));
        Ok(())
    }

    fn copy_store(&mut self) -> Told<()> {
        let (shared, _) = self.shared.as_ref().ok_or("there is no such store here")?;
        self.copy = Some(shared.snapshot());
        Ok(())
    }

    fn restore_store(&mut self) -> Told<()> {
        let at = Wall::from_millis(self.wall());
        let copy = self.copy.clone().ok_or("there is no copy of the store")?;
        let (shared, sides) = self.shared.as_mut().ok_or("there is no such store here")?;
        shared.restore(sides, copy, HistoryEpoch([self.life + 1; 16]), at)
    }

    fn target(&self) -> SharedTarget {
        self.target.clone()
    }

    fn notes(&mut self) -> Vec<Note> {
        mem::take(&mut self.notes)
    }

    fn end(self: Box<Self>) -> Told<()> {
        Ok(())
    }
}

impl Shard {
    fn is_due(&self, now: Mono) -> bool {
        self.deadline.is_some_and(|deadline| deadline.at <= now)
    }
}

impl Line {
    fn is_readable(&self) -> bool {
        self.granted && (!self.inbound.is_empty() || (self.hung_up && !self.told))
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("now", &self.now)
            .field("lines", &self.lines.len())
            .finish_non_exhaustive()
    }
}

fn place(id: ShardId) -> usize {
    usize::from(id.0)
}
