//! The stage of real sockets: a runtime on a loopback port, over an embedded store in a folder of its own or
//! over a Postgres database of its own.

use std::fmt;
use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use peermesh_core::forward::Courier;
use peermesh_core::ids::HistoryEpoch;
use peermesh_core::machine::{Deadline, Input, Listener, Machine, Order, Output, Outputs};
use peermesh_core::note::{Level, Note};
use peermesh_core::store::{Driver, Query};
use peermesh_core::time::{Now, Wall};
use peermesh_store::postgres::{self, Options};
use peermesh_store::sqlite;
use tempfile::TempDir;

use crate::driver::attic::{Attic, Databases, Folder};
use crate::driver::moody::{Moody, SharedMood};
use crate::driver::runtime::{Lanes, Plan, Running, Runtime};
use crate::driver::target::SharedTarget;
use crate::driver::{LineId, Stage, brokers, config};
use crate::server::Database;
use crate::story::act::Mood;
use crate::story::{Said, Terms, Told};

/// The longest wait for something that must happen, in milliseconds: a busy machine has pauses.
const PATIENCE_MS: u64 = 10_000;
/// How often a story looks at what sends no event: what reached its target.
const GLANCE: Duration = Duration::from_millis(5);
/// Readers of the store.
const READERS: usize = 2;

/// The shards of one life.
pub type Makes = Box<dyn Fn(u8) -> Vec<Box<dyn Machine + Send>>>;
/// Opens the store: once for every life.
pub type Opens = Box<dyn FnMut(&SharedMood) -> Told<Lanes>>;

/// See the module's own words.
pub struct Sockets {
    runtime: Runtime,
    make: Makes,
    open: Opens,
    life: u8,
    addr: SocketAddr,
    /// Where runners come in.
    runner_addr: SocketAddr,
    /// Where watchers come in.
    live_addr: SocketAddr,
    target: SharedTarget,
    running: Option<Running>,
    /// Cuts this life short.
    fuse: Arc<AtomicBool>,
    over: bool,
    mood: SharedMood,
    lines: Vec<Line>,
    notes: Vec<Note>,
    tell: Sender<Event>,
    told: Receiver<Event>,
    began: Instant,
    attic: Option<Box<dyn Attic>>,
}

/// What the threads of this stage have to say.
enum Event {
    Arrived(LineId, Vec<u8>),
    Ended(LineId),
    Noted(Note),
    Over(thread::Result<()>),
}

struct Line {
    stream: TcpStream,
    gate: Arc<Gate>,
    arrived: Vec<u8>,
    ended: bool,
}

/// Lets a reading thread pass, or not.
#[derive(Default)]
struct Gate {
    shut: Mutex<bool>,
    moved: Condvar,
}

impl Sockets {
    /// A broker over an embedded store, as a story wants it.
    ///
    /// # Errors
    /// When its terms are no configuration, or it does not start.
    pub fn new(runtime: Runtime, terms: &Terms) -> Told<Sockets> {
        let dir = TempDir::new().map_err(|error| format!("no folder for the store: {error}"))?;
        let dir = Arc::new(dir);
        let attic = Folder::of(&dir);
        let open = Box::new(move |mood: &SharedMood| open_sqlite(&dir, mood));
        let mut sockets = Sockets::of(runtime, makes(terms)?, open)?;
        sockets.attic = Some(Box::new(attic));
        Ok(sockets)
    }

    /// The same over a Postgres database of its own.
    ///
    /// # Errors
    /// When its terms are no configuration, or it does not start.
    pub fn on_postgres(runtime: Runtime, terms: &Terms) -> Told<Sockets> {
        let database = Arc::new(Database::migrated());
        let attic = Databases::of(&database);
        let open = Box::new(move |mood: &SharedMood| open_postgres(&database, mood));
        let mut sockets = Sockets::of(runtime, makes(terms)?, open)?;
        sockets.attic = Some(Box::new(attic));
        sockets.hears_from_its_store(terms.shards)?;
        Ok(sockets)
    }

    /// Lets time pass until every shard knows that its store lives, which an embedded one says at once.
    fn hears_from_its_store(&mut self, shards: u16) -> Told<()> {
        let healthy = |sockets: &Sockets| {
            let told = sockets.notes.iter().filter(|note| note.msg == "db healthy");
            told.count() >= usize::from(shards)
        };
        let until = self.now() + PATIENCE_MS;
        while !healthy(self) && self.step(until)? {}
        if healthy(self) { Ok(()) } else { Err("the broker did not hear from its store".into()) }
    }

    /// Any machines over any store.
    ///
    /// # Errors
    /// When they do not start.
    pub fn of(runtime: Runtime, make: Makes, open: Opens) -> Told<Sockets> {
        let (tell, told) = channel();
        let mut sockets = Sockets {
            runtime,
            make,
            open,
            life: 0,
            addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            runner_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            live_addr: SocketAddr::from(([127, 0, 0, 1], 0)),
            target: SharedTarget::default(),
            running: None,
            fuse: Arc::default(),
            over: false,
            mood: SharedMood::default(),
            lines: Vec::new(),
            notes: Vec::new(),
            tell,
            told,
            began: Instant::now(),
            attic: None,
        };
        sockets.start()?;
        Ok(sockets)
    }

    /// Where this life of the broker listens.
    pub fn address(&self) -> SocketAddr {
        self.addr
    }

    /// Waits for the end of this life on a thread of its own.
    fn join(&mut self) {
        if let Some(running) = self.running.take() {
            let tell = self.tell.clone();
            thread::spawn(move || {
                let end = panic::catch_unwind(AssertUnwindSafe(|| running.join()));
                tell.send(Event::Over(end))
            });
        }
    }

    fn take(&mut self, event: Event) -> Told<()> {
        match event {
            Event::Arrived(line, bytes) => self.lines[line.0].arrived.extend(bytes),
            Event::Ended(line) => self.lines[line.0].ended = true,
            Event::Noted(note) => self.notes.push(note),
            Event::Over(end) => {
                self.over = true;
                end.map_err(|panic| panicked(panic.as_ref()))?;
            }
        }
        Ok(())
    }
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Said {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Said(format!("the broker panicked: {}", text.unwrap_or_default()))
}

fn makes(terms: &Terms) -> Told<Makes> {
    let (config, shards) = (config(terms)?, terms.shards);
    Ok(Box::new(move |life| {
        let boxed = |broker| Box::new(broker) as Box<dyn Machine + Send>;
        brokers(&config, shards, life).into_iter().map(boxed).collect()
    }))
}

fn open_sqlite(dir: &TempDir, mood: &SharedMood) -> Told<Lanes> {
    let store = sqlite::open(dir.path(), READERS).map_err(|error| format!("the store: {error}"))?;
    let moody = |driver| Box::new(Moody::sleeping(driver, mood.clone())) as Box<dyn Driver>;
    let readers = store.readers.into_iter().map(moody).collect();
    Ok(Lanes { writers: vec![moody(store.writer)], readers, health: None })
}

fn open_postgres(database: &Database, mood: &SharedMood) -> Told<Lanes> {
    // The sessions of an earlier life end with it.
    database.hang_up();
    let mut options = Options::parse(database.url()).map_err(|error| format!("the store: {error}"))?;
    options.instance = "the broker of a story".to_owned();
    let mut store = postgres::open(&options, Arc::new(|why| panic!("{why}")));
    // Stories begin with a broker whose store answers.
    store.health.read(&Query::Ping { hold_ms: 0 }).map_err(|error| format!("the store: {error}"))?;
    let moody = |driver| Box::new(Moody::sleeping(driver, mood.clone())) as Box<dyn Driver>;
    Ok(Lanes {
        writers: store.writers.into_iter().map(moody).collect(),
        readers: store.readers.into_iter().map(moody).collect(),
        health: Some(moody(store.health)),
    })
}

impl Stage for Sockets {
    fn dial(&mut self, at: Listener, from: Option<IpAddr>) -> Told<LineId> {
        if from.is_some_and(|from| !from.is_loopback()) {
            return Err("real sockets have no such address; make the story `memory-only:`".into());
        }
        let id = LineId(self.lines.len());
        let open = || {
            let addr = match at {
                Listener::Mesh => self.addr,
                Listener::Runner => self.runner_addr,
                Listener::Live => self.live_addr,
                Listener::Local | Listener::LocalTcp => {
                    return Err(std::io::ErrorKind::AddrNotAvailable.into());
                }
            };
            let stream = TcpStream::connect(addr)?;
            stream.set_nodelay(true)?;
            stream.set_write_timeout(Some(Duration::from_millis(PATIENCE_MS)))?;
            let reader = stream.try_clone()?;
            Ok((stream, reader))
        };
        let (stream, reader) = open().map_err(|error: std::io::Error| format!("connect: {error}"))?;
        let gate = Arc::new(Gate::default());
        self.lines.push(Line { stream, gate: Arc::clone(&gate), arrived: Vec::new(), ended: false });
        let tell = self.tell.clone();
        thread::spawn(move || listen(id, reader, &gate, &tell));
        Ok(id)
    }

    fn write(&mut self, line: LineId, bytes: &[u8]) {
        // Whether the peer is gone is seen when the stream is read.
        let _ = self.lines[line.0].stream.write_all(bytes);
    }

    fn hang_up(&mut self, line: LineId) {
        let _ = self.lines[line.0].stream.shutdown(Shutdown::Write);
    }

    fn drop_line(&mut self, line: LineId) {
        let line = &mut self.lines[line.0];
        line.gate.set(false);
        line.ended = true;
        let _ = line.stream.shutdown(Shutdown::Both);
    }

    fn set_reading(&mut self, line: LineId, reading: bool) {
        self.lines[line.0].gate.set(!reading);
    }

    fn read(&mut self, line: LineId, into: &mut Vec<u8>) -> bool {
        let line = &mut self.lines[line.0];
        into.append(&mut line.arrived);
        line.ended
    }

    fn step(&mut self, until: u64) -> Told<bool> {
        let wait = Duration::from_millis(until).saturating_sub(self.began.elapsed());
        match self.told.recv_timeout(wait.min(GLANCE)) {
            Ok(event) => self.take(event)?,
            Err(_) => return Ok(wait > GLANCE),
        }
        while let Ok(event) = self.told.try_recv() {
            self.take(event)?;
        }
        Ok(true)
    }

    fn patience_ms(&self) -> u64 {
        PATIENCE_MS
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn wall(&self) -> i64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }

    fn jump(&mut self, _: i64) -> Told<()> {
        Err("the clock of the host cannot be moved; make the story `memory-only:`".into())
    }

    fn drain(&mut self) {
        if let Some(running) = &self.running {
            running.order(Order::Drain);
        }
        self.join();
    }

    fn cut(&mut self) {
        self.fuse.store(true, Ordering::SeqCst);
        self.drain();
    }

    fn is_over(&self) -> bool {
        self.over
    }

    fn start(&mut self) -> Told<()> {
        self.life += 1;
        self.fuse = Arc::default();
        self.over = false;
        let (mesh, runner, live);
        (mesh, self.addr) = bind()?;
        (runner, self.runner_addr) = bind()?;
        (live, self.live_addr) = bind()?;
        let fused =
            |inner| Box::new(Fused { inner, fuse: Arc::clone(&self.fuse) }) as Box<dyn Machine + Send>;
        let (tell, failed) = (self.tell.clone(), self.tell.clone());
        let plan = Plan {
            listeners: vec![(Listener::Mesh, mesh), (Listener::Runner, runner), (Listener::Live, live)],
            shards: (self.make)(self.life).into_iter().map(fused).collect(),
            lanes: (self.open)(&self.mood)?,
            couriers: (0..4).map(|_| Box::new(self.target.clone()) as Box<dyn Courier>).collect(),
            note: Arc::new(move |note| {
                // Nobody listens once the story is over.
                let _ = tell.send(Event::Noted(note));
            }),
            fail: Arc::new(move |why| {
                let _ = failed.send(Event::Noted(Note::new(Level::Error, "failed").with("why", why)));
            }),
        };
        let running = self.runtime.start(plan).map_err(|error| format!("start: {error}"))?;
        self.running = Some(running);
        Ok(())
    }

    fn copy_store(&mut self) -> Told<()> {
        self.attic.as_mut().ok_or("there is no such store here")?.copy()
    }

    fn restore_store(&mut self) -> Told<()> {
        let (epoch, at) = (HistoryEpoch([self.life + 1; 16]), Wall::from_millis(self.wall()));
        self.attic.as_mut().ok_or("there is no such store here")?.restore(epoch, at)
    }

    fn target(&self) -> SharedTarget {
        self.target.clone()
    }

    fn set_mood(&mut self, mood: Mood) {
        self.mood.set(mood);
    }

    fn notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    fn end(mut self: Box<Self>) -> Told<()> {
        self.cut();
        for line in 0..self.lines.len() {
            self.drop_line(LineId(line));
        }
        let until = self.now() + PATIENCE_MS;
        while !self.over {
            if !self.step(until)? {
                return Err("the run does not end".into());
            }
        }
        Ok(())
    }
}

fn bind() -> Told<(TcpListener, SocketAddr)> {
    let bound = TcpListener::bind(("127.0.0.1", 0)).and_then(|at| at.local_addr().map(|addr| (at, addr)));
    bound.map_err(|error| format!("bind: {error}").into())
}

/// Reads a stream to its end.
fn listen(id: LineId, mut stream: TcpStream, gate: &Gate, tell: &Sender<Event>) {
    let mut buffer = vec![0; 64 * 1_024];
    loop {
        gate.pass();
        match stream.read(&mut buffer) {
            Ok(read) if read > 0 => {
                if tell.send(Event::Arrived(id, buffer[..read].to_vec())).is_err() {
                    return;
                }
            }
            Ok(_) | Err(_) => {
                // Nobody listens once the story is over.
                let _ = tell.send(Event::Ended(id));
                return;
            }
        }
    }
}

impl Gate {
    fn set(&self, shut: bool) {
        *self.shut.lock().unwrap_or_else(PoisonError::into_inner) = shut;
        self.moved.notify_all();
    }

    fn pass(&self) {
        let shut = self.shut.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.moved.wait_while(shut, |shut| *shut).unwrap_or_else(PoisonError::into_inner));
    }
}

/// A machine that can be cut short: it then ends at its next input, whatever it is in the middle of.
struct Fused {
    inner: Box<dyn Machine + Send>,
    fuse: Arc<AtomicBool>,
}

impl Machine for Fused {
    fn handle(&mut self, now: Now, input: Input<'_>, todo: &mut Outputs) -> Option<Deadline> {
        if self.fuse.load(Ordering::SeqCst) {
            todo.push(Output::Finished);
            return None;
        }
        self.inner.handle(now, input, todo)
    }
}

impl fmt::Debug for Sockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sockets").field("addr", &self.addr).field("over", &self.over).finish_non_exhaustive()
    }
}
