//! A broker in memory, with time that stands still and a store that costs nothing: what counts is the broker.
//!
//! *Always holds:* only `Machine::handle` runs inside a marked stretch. The peers' own connections, the
//! store's answers and the carrying of bytes lie outside.

use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::hint::black_box;
use std::mem;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use peermesh_core::broker::{Broker, Setup};
use peermesh_core::config::{Config, Limits, Secret};
use peermesh_core::conn::{Chunk, Connection, Event};
use peermesh_core::ids::{ConnId, ShardId};
use peermesh_core::machine::{Ending, Input, Listener, Machine, Output, Outputs, Payload};
use peermesh_core::note::Level;
use peermesh_core::rng::Rng;
use peermesh_core::store::model::Model;
use peermesh_core::store::{Answer, Batch, Driver, Op, Reply, Request, StoreResult, Work};
use peermesh_core::time::{Mono, Now, Wall};

use crate::http::{ADMIN_TOKEN, Ask};
use crate::meter::{Meter, Step};
use crate::peer::Identity;

/// The wall clock of every run: 2023-11-14T22:13:20Z.
const WALL: Wall = Wall::from_millis(1_700_000_000_000);

/// A broker and the streams to it.
pub struct Memory {
    broker: Box<dyn Machine>,
    store: Box<dyn Driver>,
    meter: Meter,
    limits: Arc<Limits>,
    now: Mono,
    todo: Outputs,
    /// Bytes for each stream that its other end has not taken.
    outbound: BTreeMap<ConnId, Vec<u8>>,
    requests: VecDeque<Request>,
    conns: u64,
    /// Each hello has a time of its own, so that none is a replay.
    hellos: i64,
    tally: Carried,
}

/// What went over the broker's edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Bytes it was lent.
    pub received_bytes: u64,
    /// Bytes it sent out of the turn's arena.
    pub arena_bytes: u64,
    /// Bytes it sent out of buffers of their own.
    pub shared_bytes: u64,
    /// `Send` wishes.
    pub sends: u64,
    /// Requests to the store.
    pub requests: u64,
    /// Operations in them.
    pub ops: u64,
}

/// One end of a WebSocket connection to the broker.
pub struct Line {
    id: ConnId,
    connection: Connection,
    outgoing: Outputs,
}

impl Memory {
    /// A broker without limits on rates, over a store that says yes to mail and forgets it. What is set up
    /// before the first message is not counted.
    pub fn new(meter: Meter) -> Memory {
        Memory::over(meter, Box::new(Willing(Model::new([9; 32]))))
    }

    /// The same over a store that keeps mail, for those who come back for it.
    pub fn keeping(meter: Meter) -> Memory {
        Memory::over(meter, Box::new(Model::new([9; 32])))
    }

    fn over(meter: Meter, store: Box<dyn Driver>) -> Memory {
        let mut limits = Limits::default();
        limits.set("send_rate_per_minute", 0).expect("0 switches it off");
        let limits = Arc::new(limits);
        let config = Config {
            limits: (*limits).clone(),
            public_url: "ws://bench/ws".to_owned(),
            version: "0".to_owned(),
            git_sha: "bench".to_owned(),
            admin_token: Some(Secret::new(ADMIN_TOKEN)),
            hook_token: None,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            vault_key: Some(Secret::new([7; 32])),
            expected_migration: None,
            log_level: Level::Info,
            runners: None,
            live: None,
        };
        let setup = Setup { shard: ShardId(0), shards: 1, config: Arc::new(config), seed: [3; 32] };
        // The call through a pointer keeps the broker from being built into the bench.
        let broker: Box<dyn Machine> = black_box(Box::new(Broker::new(setup)));
        let mut memory = Memory {
            broker,
            store,
            meter,
            limits,
            now: Mono::START,
            todo: Outputs::new(),
            outbound: BTreeMap::new(),
            requests: VecDeque::new(),
            conns: 0,
            hellos: 0,
            tally: Carried::default(),
        };
        memory.tell(Step::Wake, Input::Wake);
        memory.answer(Step::Wake);
        memory
    }

    /// Upgrades a stream and says hello.
    pub fn join(&mut self, who: &Identity) -> Line {
        self.join_as(Step::Wake, Step::Wake, who)
    }

    /// The same; `hello` is what the hello costs, and `resumed` what follows from its commit: the welcome,
    /// and mail that waited.
    pub fn join_as(&mut self, hello: Step, resumed: Step, who: &Identity) -> Line {
        let id = self.open();
        let (mut outgoing, rng) = (Outputs::new(), Rng::from_seed([5; 32]));
        let connection = Connection::client(&self.limits, rng, id, "bench", "/ws", self.now, &mut outgoing);
        let mut line = Line { id, connection, outgoing };
        self.deliver(Step::Wake, &mut line);
        self.listen(Step::Wake, &mut line, |_| ());
        self.hellos += 1;
        line.say(self.now, &who.hello(WALL.as_millis() + self.hellos));
        self.deliver(hello, &mut line);
        self.answer(resumed);
        line
    }

    /// A stream ends without a word.
    pub fn leave(&mut self, line: &Line) {
        self.outbound.remove(&line.id);
        self.tell(Step::Wake, Input::Closed { conn: line.id, how: Ending::Broken });
        self.answer(Step::Wake);
    }

    /// What `line` said reaches the broker in one chunk.
    pub fn deliver(&mut self, step: Step, line: &mut Line) {
        let mut chunk = line.take_outgoing(self.now);
        self.tally.received_bytes += chunk.len() as u64;
        self.tell(step, Input::Received { conn: line.id, bytes: &mut chunk });
    }

    /// The store answers what it was asked; `step` is what the broker makes of it.
    pub fn answer(&mut self, step: Step) {
        while let Some(Request { ticket, work }) = self.requests.pop_front() {
            self.tally.requests += 1;
            let result = match &work {
                Work::Read(query) => self.store.read(query),
                Work::Write(batch) => {
                    self.tally.ops += batch.ops.len() as u64;
                    self.store.write(std::slice::from_ref(batch)).remove(0)
                }
            };
            // A driver lets go of a batch before it answers.
            drop(work);
            self.tell(step, Input::Stored { ticket, result });
        }
    }

    /// What the broker sent to `line` is heard there, and the broker gets its credit back.
    pub fn listen(&mut self, step: Step, line: &mut Line, mut hear: impl FnMut(&str)) {
        let mut bytes = self.outbound.get_mut(&line.id).map(mem::take).unwrap_or_default();
        if bytes.is_empty() {
            return;
        }
        self.tell(step, Input::Sent { conn: line.id, bytes: bytes.len() });
        let mut chunk = Chunk::new(&mut bytes);
        while let Some(event) = line.connection.next(self.now, &mut chunk, line.id, &mut line.outgoing) {
            match event {
                Event::Message(text) => hear(&text),
                Event::Upgraded => line.connection.start_keepalive(self.now),
                event => panic!("a broker under measurement should not say {event:?}"),
            }
        }
    }

    /// Time passes: enough for the next commit to start at once.
    pub fn pass(&mut self) {
        self.now = self.now.after_millis(3);
        self.tell(Step::Wake, Input::Wake);
    }

    /// Ends the run and gives what was counted.
    pub fn into_meter(self) -> Meter {
        self.meter
    }

    /// What was carried so far.
    pub fn carried(&self) -> Carried {
        self.tally
    }

    /// The clock of this broker, as its peers see it.
    pub fn now(&self) -> Mono {
        self.now
    }

    /// Forgets what was counted, after a warm-up.
    pub fn reset(&mut self) {
        self.meter.reset();
        self.tally = Carried::default();
    }

    fn open(&mut self) -> ConnId {
        self.conns += 1;
        let id = ConnId(self.conns);
        self.outbound.insert(id, Vec::new());
        self.tell(
            Step::Wake,
            Input::Opened { conn: id, listener: Listener::Mesh, remote: IpAddr::V4(Ipv4Addr::LOCALHOST) },
        );
        id
    }

    fn tell(&mut self, step: Step, input: Input<'_>) {
        let now = Now { mono: self.now, wall: WALL };
        let (broker, todo) = (&mut self.broker, &mut self.todo);
        // Nothing is late here: whoever passes the time wakes the broker too.
        let _ = self.meter.run(step, || broker.handle(now, input, todo));
        let mut wishes = self.todo.take();
        for wish in wishes.drain(..) {
            match wish {
                Output::Send { conn, bytes } => {
                    let copied = self.todo.bytes(&bytes);
                    self.tally.sends += 1;
                    match &bytes {
                        Payload::Arena(_) => self.tally.arena_bytes += copied.len() as u64,
                        Payload::Shared(_) => self.tally.shared_bytes += copied.len() as u64,
                    }
                    if let Some(outbound) = self.outbound.get_mut(&conn) {
                        outbound.extend_from_slice(copied);
                    }
                }
                Output::Store(request) => self.requests.push_back(request),
                Output::Read { .. }
                | Output::Close { .. }
                | Output::Relay { .. }
                | Output::Handoff { .. }
                | Output::Scrape { .. }
                | Output::Weigh { .. }
                | Output::Forward(_)
                | Output::Dial { .. }
                | Output::Note(_)
                | Output::Stats(_)
                | Output::Finished
                | Output::Fail { .. } => {}
            }
        }
        self.todo.clear(wishes);
    }
}

impl Ask for Memory {
    type Error = Infallible;

    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, Infallible> {
        let conn = self.open();
        let mut chunk = request.to_vec();
        self.tell(Step::Wake, Input::Received { conn, bytes: &mut chunk });
        self.answer(Step::Wake);
        let answer = self.outbound.remove(&conn).unwrap_or_default();
        self.tell(Step::Wake, Input::Sent { conn, bytes: answer.len() });
        self.tell(Step::Wake, Input::Closed { conn, how: Ending::Broken });
        Ok(answer)
    }
}

impl Line {
    /// Frames one message; it reaches the broker with the next [`Memory::deliver`].
    pub fn say(&mut self, now: Mono, text: &str) {
        self.connection.send(now, text.as_bytes(), self.id, &mut self.outgoing);
    }

    /// Everything that was said, as one chunk.
    fn take_outgoing(&mut self, now: Mono) -> Vec<u8> {
        let mut bytes = Vec::new();
        while !self.outgoing.is_empty() {
            let mut wishes = self.outgoing.take();
            let before = bytes.len();
            for wish in &wishes {
                if let Output::Send { bytes: payload, .. } = wish {
                    bytes.extend_from_slice(self.outgoing.bytes(payload));
                }
            }
            wishes.clear();
            self.outgoing.clear(wishes);
            self.connection.sent(now, bytes.len() - before, self.id, &mut self.outgoing);
        }
        bytes
    }
}

/// A store that says yes to mail without keeping it, and is the model for all else: the cost of keeping
/// belongs to another bench.
struct Willing(Model);

impl Driver for Willing {
    fn write(&mut self, batches: &[Arc<Batch>]) -> Vec<StoreResult> {
        let is_mail = |op: &Op| matches!(op, Op::Accept(_) | Op::Settle(_) | Op::Tried { .. });
        let reply = |op: &Op| if matches!(op, Op::Accept(_)) { Reply::Inserted } else { Reply::Done };
        let mut write_one = |batch: &Arc<Batch>| {
            if batch.ops.iter().all(is_mail) {
                return Ok(Answer::Replies(batch.ops.iter().map(reply).collect()));
            }
            self.0.write(std::slice::from_ref(batch)).remove(0)
        };
        batches.iter().map(&mut write_one).collect()
    }

    fn read(&mut self, query: &peermesh_core::store::Query) -> StoreResult {
        self.0.read(query)
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").field("now", &self.now).field("conns", &self.conns).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Line").field("id", &self.id).finish_non_exhaustive()
    }
}
