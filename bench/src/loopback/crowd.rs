//! Many WebSocket clients on one thread: the core's own client role behind level-triggered readiness.
//!
//! One read and one write per client and wake-up, so that the generator costs as little as it can beside
//! the broker that it shares the machine with.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use peermesh_core::config::Limits;
use peermesh_core::conn::{Chunk, Connection, Event};
use peermesh_core::ids::ConnId;
use peermesh_core::machine::{Output, Outputs};
use peermesh_core::rng::Rng;
use peermesh_core::time::Mono;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

use crate::peer::{Identity, Said, hear};

/// Bytes read at once.
const SCRATCH_BYTES: usize = 64 * 1_024;
/// Clients that are ready, taken in one wake-up.
const READY_MAX: usize = 1_024;
/// Clients that are being welcomed at once: half of what a broker takes without a hello.
const GREETING_MAX: usize = 128;
/// The longest wait for all welcomes.
const WELCOME_PATIENCE: Duration = Duration::from_secs(60);

/// A client by its place in the crowd.
pub(super) type Place = usize;

/// All clients.
pub(super) struct Crowd {
    epoll: OwnedFd,
    clients: Vec<Client>,
    todo: Outputs,
    scratch: Vec<u8>,
    started: Instant,
    limits: Arc<Limits>,
    /// Clients that have something to write.
    dirty: Vec<Place>,
}

struct Client {
    stream: TcpStream,
    connection: Connection,
    unwritten: Vec<u8>,
    is_dirty: bool,
    /// Writability is waited for.
    is_blocked: bool,
    is_upgraded: bool,
}

impl Crowd {
    /// Nobody yet.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn new() -> io::Result<Crowd> {
        Ok(Crowd {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            clients: Vec::new(),
            todo: Outputs::new(),
            scratch: vec![0; SCRATCH_BYTES],
            started: Instant::now(),
            limits: Arc::new(Limits::default()),
            dirty: Vec::new(),
        })
    }

    /// Connects everybody, says their hellos, waits for all welcomes. Their places follow those of earlier
    /// ones.
    ///
    /// # Errors
    /// When somebody cannot connect or is refused.
    pub(super) fn join(&mut self, broker: SocketAddr, people: &[Identity]) -> io::Result<()> {
        let until = Instant::now() + WELCOME_PATIENCE;
        let (first, mut welcomed) = (self.clients.len(), 0);
        while welcomed < people.len() {
            while self.clients.len() - first < (welcomed + GREETING_MAX).min(people.len()) {
                self.connect(broker)?;
            }
            let mut arrived = Vec::new();
            self.turn(Duration::from_millis(100), |place, event| match event {
                Heard::Upgraded => arrived.push(place),
                Heard::Said(Said::Welcome) => welcomed += 1,
                Heard::Said(_) => {}
            })?;
            for place in arrived {
                self.say(place, &people[place - first].hello(unix_millis()));
            }
            if Instant::now() > until {
                return Err(io::Error::other(format!("{welcomed} of {} peers were welcomed", people.len())));
            }
        }
        Ok(())
    }

    /// Says one message. It is written at the end of the next [`Crowd::turn`].
    pub(super) fn say(&mut self, place: Place, text: &str) {
        let now = self.now();
        let client = &mut self.clients[place];
        client.connection.send(now, text.as_bytes(), id(place), &mut self.todo);
        self.gather(place);
    }

    /// Writes what was said, waits until somebody hears something, and tells it.
    ///
    /// # Errors
    /// When a connection ends.
    pub(super) fn turn(&mut self, wait: Duration, mut hear: impl FnMut(Place, Heard<'_>)) -> io::Result<()> {
        self.write_all()?;
        let wait = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(0),
            tv_nsec: wait.subsec_nanos().into(),
        };
        let mut ready = Vec::with_capacity(READY_MAX);
        epoll::wait(&self.epoll, spare_capacity(&mut ready), Some(&wait))?;
        for event in ready {
            let place = Place::try_from(event.data.u64()).unwrap_or(Place::MAX);
            let flags = event.flags;
            if flags.contains(epoll::EventFlags::OUT) {
                self.write(place)?;
            }
            if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
                self.read(place, &mut hear)?;
            }
        }
        Ok(())
    }

    fn connect(&mut self, broker: SocketAddr) -> io::Result<()> {
        let stream = TcpStream::connect(broker)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let place = self.clients.len();
        epoll::add(&self.epoll, &stream, data(place), epoll::EventFlags::IN)?;
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&id(place).0.to_le_bytes());
        let (now, host) = (self.now(), broker.to_string());
        let connection = Connection::client(
            &self.limits,
            Rng::from_seed(seed),
            id(place),
            &host,
            "/ws",
            now,
            &mut self.todo,
        );
        self.clients.push(Client {
            stream,
            connection,
            unwritten: Vec::new(),
            is_dirty: false,
            is_blocked: false,
            is_upgraded: false,
        });
        self.gather(place);
        Ok(())
    }

    fn read(&mut self, place: Place, hear_one: &mut impl FnMut(Place, Heard<'_>)) -> io::Result<()> {
        let now = self.now();
        let client = &mut self.clients[place];
        let count = match client.stream.read(&mut self.scratch) {
            Ok(0) => return Err(gone(place)),
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let mut chunk = Chunk::new(&mut self.scratch[..count]);
        while let Some(event) = client.connection.next(now, &mut chunk, id(place), &mut self.todo) {
            match event {
                Event::Message(text) => hear_one(place, Heard::Said(hear(&text))),
                Event::Upgraded => {
                    client.is_upgraded = true;
                    client.connection.start_keepalive(now);
                    hear_one(place, Heard::Upgraded);
                }
                Event::Pong(_) => {}
                event => return Err(io::Error::other(format!("client {place}: {event:?}"))),
            }
        }
        // Pongs, perhaps.
        self.gather(place);
        Ok(())
    }

    /// Moves what a connection wishes to send to its unwritten bytes.
    fn gather(&mut self, place: Place) {
        let now = self.now();
        let client = &mut self.clients[place];
        while !self.todo.is_empty() {
            let mut wishes = self.todo.take();
            let before = client.unwritten.len();
            for wish in &wishes {
                if let Output::Send { bytes, .. } = wish {
                    client.unwritten.extend_from_slice(self.todo.bytes(bytes));
                }
            }
            wishes.clear();
            self.todo.clear(wishes);
            client.connection.sent(now, client.unwritten.len() - before, id(place), &mut self.todo);
        }
        if !client.unwritten.is_empty() && !client.is_dirty {
            client.is_dirty = true;
            self.dirty.push(place);
        }
    }

    fn write_all(&mut self) -> io::Result<()> {
        for place in std::mem::take(&mut self.dirty) {
            self.clients[place].is_dirty = false;
            if !self.clients[place].is_blocked {
                self.write(place)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, place: Place) -> io::Result<()> {
        let client = &mut self.clients[place];
        let mut written = 0;
        while written < client.unwritten.len() {
            match client.stream.write(&client.unwritten[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        client.unwritten.drain(..written);
        let blocked = !client.unwritten.is_empty();
        if blocked != client.is_blocked {
            client.is_blocked = blocked;
            let interest = if blocked { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
            epoll::modify(&self.epoll, &client.stream, data(place), epoll::EventFlags::IN | interest)?;
        }
        Ok(())
    }

    fn now(&self) -> Mono {
        let nanos = self.started.elapsed().as_nanos();
        Mono::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// What a client hears.
#[derive(Clone, Copy, Debug)]
pub(super) enum Heard<'a> {
    /// The broker agreed to the upgrade.
    Upgraded,
    /// A message of the broker's.
    Said(Said<'a>),
}

fn id(place: Place) -> ConnId {
    ConnId(u64::try_from(place).unwrap_or(u64::MAX))
}

fn data(place: Place) -> epoll::EventData {
    epoll::EventData::new_u64(id(place).0)
}

fn gone(place: Place) -> io::Error {
    io::Error::other(format!("the broker ended the connection of client {place}"))
}

fn unix_millis() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl std::fmt::Debug for Crowd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crowd").field("clients", &self.clients.len()).finish_non_exhaustive()
    }
}
