//! Several machines in memory, streams between them, and time that jumps from event to event.
//!
//! *Always holds:* a store is its machine's alone and outlives it; whatever a machine had not written when it
//! was killed is gone.

use std::collections::{BTreeMap, VecDeque};
use std::mem;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use peermesh_core::ids::{ConnId, ShardId, Ticket};
use peermesh_core::machine::{Closing, Ending, Envelope, Input, Listener, Machine, Order, Output, Outputs};
use peermesh_core::note::Note;
use peermesh_core::store::model::Model;
use peermesh_core::store::{Driver, Request, StoreError, StoreResult, Work};
use peermesh_core::time::{Mono, Now, Wall};

/// The wall clock when a world begins: 2023-11-14T22:13:20Z.
const BIRTH_MS: i64 = 1_700_000_000_000;
/// Facts told at one moment before somebody counts as spinning.
const FACTS_PER_MOMENT_MAX: u32 = 200_000;

/// A machine's place among all.
pub(crate) type Place = usize;

/// Makes a machine for its so-manieth life.
pub(crate) type Makes = Box<dyn Fn(u8) -> Box<dyn Machine>>;

/// See the module's own words.
pub(crate) struct World {
    nodes: Vec<Node>,
    ends: Vec<End>,
    facts: VecDeque<(Place, Fact)>,
    /// What takes its time in a store, by the moment it ends, then by number.
    slow: BTreeMap<(Mono, u64), (Place, Ticket, Slow)>,
    now: Mono,
    /// Which machine answers a dial.
    server: Option<Place>,
    count: u64,
    pub(crate) notes: Vec<Note>,
    /// Why machines said that they cannot go on.
    pub(crate) failures: Vec<String>,
    todo: Outputs,
}

struct Node {
    make: Makes,
    life: u8,
    machine: Option<Box<dyn Machine>>,
    deadline: Option<Mono>,
    store: Model,
    ails: Option<StoreError>,
    /// How long a write takes, in milliseconds.
    slow_ms: u64,
    /// How long the answer to a question takes to arrive, in milliseconds.
    late_ms: u64,
    /// It reads nothing of what it is sent.
    deaf: bool,
    /// After so many steps that others can notice it is killed.
    steps_left: Option<u32>,
}

/// One end of a stream.
struct End {
    /// Whose it is; none for one that a test holds.
    node: Option<Place>,
    conn: ConnId,
    other: usize,
    inbound: Vec<u8>,
    granted: bool,
    /// The other side sends no more.
    ended: bool,
    told: bool,
    /// The other side is gone.
    broken: bool,
    closed: bool,
    /// It takes nothing of what is sent to it.
    stalled: bool,
}

enum Slow {
    /// It takes effect at its end.
    Write(Work),
    /// It was answered at its beginning.
    Read(StoreResult),
}

enum Fact {
    Opened(ConnId, Listener),
    Sent(ConnId, usize),
    Broken(ConnId),
    Stored(Ticket, StoreResult),
    Dialled(Ticket, Result<ConnId, String>),
    Told(Envelope),
    Drain,
    Wake,
}

impl World {
    pub(crate) fn new() -> World {
        World {
            nodes: Vec::new(),
            ends: Vec::new(),
            facts: VecDeque::new(),
            slow: BTreeMap::new(),
            now: Mono::START,
            server: None,
            count: 0,
            notes: Vec::new(),
            failures: Vec::new(),
            todo: Outputs::new(),
        }
    }

    /// Adds a machine over an empty store and starts it.
    pub(crate) fn add(&mut self, make: Makes) -> Place {
        let store = Model::new([1; 32]);
        self.nodes.push(Node {
            make,
            life: 0,
            machine: None,
            deadline: None,
            store,
            ails: None,
            slow_ms: 0,
            late_ms: 0,
            deaf: false,
            steps_left: None,
        });
        self.start(self.nodes.len() - 1);
        self.nodes.len() - 1
    }

    /// The machine that is reached by dialling, or nobody.
    pub(crate) fn serve(&mut self, place: Option<Place>) {
        self.server = place;
    }

    pub(crate) fn start(&mut self, place: Place) {
        let node = &mut self.nodes[place];
        node.life += 1;
        node.machine = Some((node.make)(node.life));
        self.facts.push_back((place, Fact::Wake));
    }

    /// Starts another machine over the same store.
    pub(crate) fn remake(&mut self, place: Place, make: Makes) {
        self.nodes[place].make = make;
        self.start(place);
    }

    /// Ends a machine in the middle of whatever it does.
    pub(crate) fn kill(&mut self, place: Place) {
        (self.nodes[place].machine, self.nodes[place].deadline) = (None, None);
        self.facts.retain(|(of, _)| *of != place);
        self.slow.retain(|_, (of, ..)| *of != place);
        for end in 0..self.ends.len() {
            if self.ends[end].node == Some(place) && !self.ends[end].closed {
                self.close(end);
            }
        }
    }

    pub(crate) fn drain(&mut self, place: Place) {
        self.facts.push_back((place, Fact::Drain));
    }

    /// Tells a machine what the program around it would.
    pub(crate) fn inform(&mut self, place: Place, envelope: Envelope) {
        self.facts.push_back((place, Fact::Told(envelope)));
    }

    pub(crate) fn is_over(&self, place: Place) -> bool {
        self.nodes[place].machine.is_none()
    }

    /// Lets a store refuse everything, or heals it.
    pub(crate) fn ail(&mut self, place: Place, ails: Option<StoreError>) {
        self.nodes[place].ails = ails;
    }

    /// Lets every write of a store take so long.
    pub(crate) fn slow_down(&mut self, place: Place, slow_ms: u64) {
        self.nodes[place].slow_ms = slow_ms;
    }

    /// Lets every answer of a store to a question be so old when it arrives.
    pub(crate) fn answer_late(&mut self, place: Place, late_ms: u64) {
        self.nodes[place].late_ms = late_ms;
    }

    /// Kills a machine before the step after so many of its next ones: a write, a question, a word, a dial.
    pub(crate) fn dies_after(&mut self, place: Place, steps: Option<u32>) {
        self.nodes[place].steps_left = steps;
    }

    /// A stream of the test's own takes nothing more of what it is sent.
    pub(crate) fn stall(&mut self, end: usize) {
        self.ends[end].stalled = true;
    }

    /// Lets a machine read nothing, or read on.
    pub(crate) fn deafen(&mut self, place: Place, deaf: bool) {
        self.nodes[place].deaf = deaf;
    }

    pub(crate) fn wall(&self) -> i64 {
        BIRTH_MS + i64::try_from(self.now.millis_since(Mono::START)).unwrap()
    }

    /// A stream of the test's own to a machine.
    pub(crate) fn connect(&mut self, place: Place, listener: Listener) -> usize {
        let (near, _) = self.pipe(None, place, listener);
        near
    }

    pub(crate) fn write(&mut self, end: usize, bytes: &[u8]) {
        let other = self.ends[end].other;
        self.ends[other].inbound.extend_from_slice(bytes);
    }

    /// What arrived on a stream of the test's own, and whether that was all.
    pub(crate) fn read(&mut self, end: usize) -> (Vec<u8>, bool) {
        let end = &mut self.ends[end];
        (mem::take(&mut end.inbound), end.ended)
    }

    /// Bytes that a test wrote and the machine has not asked for.
    pub(crate) fn untaken(&self, end: usize) -> usize {
        self.ends[self.ends[end].other].inbound.len()
    }

    pub(crate) fn hang_up(&mut self, end: usize) {
        self.close(end);
    }

    /// Lets time pass until something is so, or so many milliseconds.
    pub(crate) fn until(&mut self, millis: u64, mut is_so: impl FnMut(&mut World) -> bool) -> bool {
        let end = self.now.after_millis(millis);
        loop {
            self.settle();
            if is_so(self) {
                return true;
            }
            let written = self.slow.keys().map(|(due, _)| *due);
            let due = self.nodes.iter().filter_map(|node| node.deadline).chain(written).min();
            match due.filter(|due| *due <= end) {
                Some(due) => self.now = self.now.max(due),
                None => {
                    self.now = end;
                    self.settle();
                    return is_so(self);
                }
            }
        }
    }

    pub(crate) fn wait(&mut self, millis: u64) {
        self.until(millis, |_| false);
    }

    fn pipe(&mut self, from: Option<Place>, to: Place, listener: Listener) -> (usize, ConnId) {
        let near = self.ends.len();
        self.count += 2;
        let conns = [ConnId(self.count), ConnId(self.count + 1)];
        for (node, conn, other) in [(from, conns[0], near + 1), (Some(to), conns[1], near)] {
            self.ends.push(End {
                node,
                conn,
                other,
                inbound: Vec::new(),
                granted: false,
                ended: false,
                told: false,
                broken: false,
                closed: false,
                stalled: false,
            });
        }
        self.facts.push_back((to, Fact::Opened(conns[1], listener)));
        (near, conns[0])
    }

    fn close(&mut self, end: usize) {
        self.ends[end].closed = true;
        let other = self.ends[end].other;
        self.ends[other].ended = true;
        if !mem::replace(&mut self.ends[other].broken, true)
            && let Some(node) = self.ends[other].node
            && !self.ends[other].closed
            && self.ends[other].inbound.is_empty()
        {
            self.facts.push_back((node, Fact::Broken(self.ends[other].conn)));
        }
    }

    fn settle(&mut self) {
        for _ in 0..FACTS_PER_MOMENT_MAX {
            if !self.tell_next() {
                return;
            }
        }
        panic!("a machine spins");
    }

    fn tell_next(&mut self) -> bool {
        let nodes = &self.nodes;
        let readable = |end: &End| {
            let hears = end.node.is_some_and(|node| !nodes[node].deaf);
            let has_news = !end.inbound.is_empty() || end.ended && !end.told;
            hears && !end.closed && end.granted && has_news
        };
        if let Some((place, fact)) = self.facts.pop_front() {
            self.tell_fact(place, fact);
        } else if let Some(entry) = self.slow.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (place, ticket, slow) = entry.remove();
            let result = match slow {
                Slow::Write(work) => self.perform_store(place, &work),
                Slow::Read(result) => result,
            };
            self.facts.push_back((place, Fact::Stored(ticket, result)));
        } else if let Some(end) = self.ends.iter().position(readable) {
            self.tell_end(end);
        } else if let Some(place) =
            self.nodes.iter().position(|node| node.deadline.is_some_and(|at| at <= self.now))
        {
            self.tell(place, Input::Wake);
        } else {
            return false;
        }
        true
    }

    fn tell_fact(&mut self, place: Place, fact: Fact) {
        let remote = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let input = match fact {
            Fact::Opened(conn, listener) => Input::Opened { conn, listener, remote },
            Fact::Sent(conn, bytes) => Input::Sent { conn, bytes },
            Fact::Broken(conn) => Input::Closed { conn, how: Ending::Broken },
            Fact::Stored(ticket, result) => Input::Stored { ticket, result },
            Fact::Dialled(dial, result) => Input::Dialled { dial, result },
            Fact::Told(envelope) => Input::Relayed { from: ShardId(0), envelope },
            Fact::Drain => Input::Order(Order::Drain),
            Fact::Wake => Input::Wake,
        };
        self.tell(place, input);
    }

    fn tell_end(&mut self, at: usize) {
        let end = &mut self.ends[at];
        let (Some(place), conn) = (end.node, end.conn) else { return };
        end.granted = false;
        if end.inbound.is_empty() {
            end.told = true;
            let how = if end.broken { Ending::Broken } else { Ending::Finished };
            end.closed |= end.broken;
            return self.tell(place, Input::Closed { conn, how });
        }
        let mut chunk = mem::take(&mut end.inbound);
        self.tell(place, Input::Received { conn, bytes: &mut chunk });
    }

    fn tell(&mut self, place: Place, input: Input<'_>) {
        let now = Now { mono: self.now, wall: Wall::from_millis(self.wall()) };
        let mut todo = mem::take(&mut self.todo);
        if let Some(machine) = &mut self.nodes[place].machine {
            let deadline = machine.handle(now, input, &mut todo);
            self.nodes[place].deadline = deadline.map(|deadline| deadline.at);
        }
        let mut wishes = todo.take();
        for wish in wishes.drain(..) {
            if !self.is_over(place) && self.takes_step(place, &wish) {
                self.perform(place, wish, &todo);
            }
        }
        todo.clear(wishes);
        self.todo = todo;
    }

    /// False when this step is one too many.
    fn takes_step(&mut self, place: Place, wish: &Output) -> bool {
        let counts = matches!(
            wish,
            Output::Store(_) | Output::Send { .. } | Output::Close { .. } | Output::Dial { .. }
        );
        match &mut self.nodes[place].steps_left {
            Some(0) if counts => {
                self.kill(place);
                false
            }
            Some(left) if counts => {
                *left -= 1;
                true
            }
            Some(_) | None => true,
        }
    }

    fn perform(&mut self, place: Place, wish: Output, arena: &Outputs) {
        match wish {
            Output::Read { conn } => {
                if let Some(end) = self.end_of(place, conn) {
                    self.ends[end].granted = true;
                }
            }
            Output::Send { conn, bytes } => {
                if let Some(end) = self.end_of(place, conn) {
                    let bytes = arena.bytes(&bytes);
                    let other = self.ends[end].other;
                    if !self.ends[other].stalled {
                        self.ends[other].inbound.extend_from_slice(bytes);
                        self.facts.push_back((place, Fact::Sent(conn, bytes.len())));
                    }
                }
            }
            Output::Close { conn, how } => {
                if let Some(end) = self.end_of(place, conn) {
                    match how {
                        Closing::Write => {
                            let other = self.ends[end].other;
                            self.ends[other].ended = true;
                        }
                        Closing::Both => self.close(end),
                    }
                }
            }
            Output::Store(Request { ticket, work: work @ Work::Write(_) })
                if self.nodes[place].slow_ms > 0 =>
            {
                self.count += 1;
                let due = self.now.after_millis(self.nodes[place].slow_ms);
                self.slow.insert((due, self.count), (place, ticket, Slow::Write(work)));
            }
            Output::Store(Request { ticket, work: work @ Work::Read(_) })
                if self.nodes[place].late_ms > 0 =>
            {
                self.count += 1;
                let result = self.perform_store(place, &work);
                let due = self.now.after_millis(self.nodes[place].late_ms);
                self.slow.insert((due, self.count), (place, ticket, Slow::Read(result)));
            }
            Output::Store(Request { ticket, work }) => {
                let result = self.perform_store(place, &work);
                self.facts.push_back((place, Fact::Stored(ticket, result)));
            }
            Output::Dial { dial, to } => {
                let is_up = |server: &Place| !self.is_over(*server) && to.host != "nowhere.test";
                let result = match self.server.filter(is_up) {
                    Some(server) => Ok(self.pipe(Some(place), server, Listener::Mesh).1),
                    None => Err("nobody listens".to_owned()),
                };
                self.facts.push_back((place, Fact::Dialled(dial, result)));
            }
            Output::Note(note) => self.notes.push(note),
            Output::Fail { why } => {
                self.failures.push(why);
                self.kill(place);
            }
            Output::Finished => self.kill(place),
            Output::Stats(_)
            | Output::Relay { .. }
            | Output::Handoff { .. }
            | Output::Scrape { .. }
            | Output::Weigh { .. }
            | Output::Forward(_) => {}
        }
    }

    fn perform_store(&mut self, place: Place, work: &Work) -> StoreResult {
        let node = &mut self.nodes[place];
        if let Some(error) = &node.ails {
            return Err(error.clone());
        }
        match work {
            Work::Read(query) => node.store.read(query),
            Work::Write(batch) => node.store.write(&[Arc::clone(batch)]).pop().unwrap(),
        }
    }

    fn end_of(&self, place: Place, conn: ConnId) -> Option<usize> {
        self.ends.iter().rposition(|end| end.node == Some(place) && end.conn == conn && !end.closed)
    }
}
