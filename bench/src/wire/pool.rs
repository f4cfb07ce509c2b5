//! Many connections on one thread, behind level-triggered readiness.
//!
//! One read and one write for each connection and wake-up, so that the generator costs as little as it can
//! beside the server that it shares the machine with.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;

use super::{Heard, Place, Speaker, Stamp};
use crate::server::connect;

/// Bytes read at once.
const SCRATCH_BYTES: usize = 256 * 1_024;
/// Connections that are ready, taken in one wake-up.
const READY_MAX: usize = 1_024;
/// Connections that are being set up at once: half of what a broker takes without a hello.
const GREETING_MAX: usize = 128;
/// The longest wait for all to be set up.
const READY_PATIENCE: Duration = Duration::from_secs(120);
/// What the kernel calls the listener.
const LISTENER: u64 = u64::MAX;

/// All connections of a load.
pub struct Pool {
    epoll: OwnedFd,
    links: Vec<Link>,
    scratch: Vec<u8>,
    ready: Vec<epoll::Event>,
    /// Connections that have something to write.
    dirty: Vec<Place>,
    listening: Option<(TcpListener, Hire)>,
}

/// Makes the speaker for a connection that came in.
pub type Hire = Box<dyn Fn() -> Box<dyn Speaker>>;

struct Link {
    stream: TcpStream,
    speaker: Box<dyn Speaker>,
    /// A message that has not come in full.
    unread: Vec<u8>,
    unwritten: Vec<u8>,
    is_dirty: bool,
    /// Writability is waited for.
    is_blocked: bool,
    /// It came in by the listener, or is not read any more, and may go.
    is_guest: bool,
    is_gone: bool,
}

impl Pool {
    /// No connection yet.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn new() -> io::Result<Pool> {
        Ok(Pool {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            links: Vec::new(),
            scratch: vec![0; SCRATCH_BYTES],
            ready: Vec::with_capacity(READY_MAX),
            dirty: Vec::new(),
            listening: None,
        })
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.links.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Takes connections on a free port of loopback, and says where.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen(&mut self, speaker: Hire) -> io::Result<SocketAddr> {
        self.listen_on(SocketAddr::from(([127, 0, 0, 1], 0)), speaker)
    }

    /// Takes connections on that address, and says which it is.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn listen_on(&mut self, addr: SocketAddr, speaker: Hire) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let data = epoll::EventData::new_u64(LISTENER);
        epoll::add(&self.epoll, &listener, data, epoll::EventFlags::IN)?;
        let addr = listener.local_addr()?;
        self.listening = Some((listener, speaker));
        Ok(addr)
    }

    /// Connects everybody and waits until all are ready. Their places follow those of earlier ones.
    ///
    /// # Errors
    /// When one cannot connect, or is refused, or the time is over.
    pub fn join(&mut self, server: SocketAddr, speakers: Vec<Box<dyn Speaker>>) -> io::Result<()> {
        let until = Instant::now() + READY_PATIENCE;
        let (count, mut begun, mut ready) = (speakers.len(), 0, 0);
        let mut speakers = speakers.into_iter();
        while ready < count {
            for speaker in speakers.by_ref().take((ready + GREETING_MAX).saturating_sub(begun)) {
                ready += usize::from(speaker.is_ready_at_once());
                self.connect(server, speaker)?;
                begun += 1;
            }
            self.turn(Duration::from_millis(100), &mut |_, heard| {
                ready += usize::from(heard == Heard::Ready);
            })?;
            if Instant::now() > until {
                return Err(io::Error::other(format!("{ready} of {count} connections were set up")));
            }
        }
        Ok(())
    }

    /// Reads nothing more from a connection; that it ends is no error from then on.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn deafen(&mut self, place: Place) -> io::Result<()> {
        let link = &mut self.links[place];
        link.is_guest = true;
        epoll::modify(&self.epoll, &link.stream, data(place), epoll::EventFlags::empty())
            .map_err(io::Error::from)
    }

    /// Says one message. It is written at the beginning of the next [`Pool::turn`].
    pub fn say(&mut self, from: Place, stamp: Stamp, to: Place) {
        let link = &mut self.links[from];
        link.speaker.say(stamp, to, &mut link.unwritten);
        self.mark(from);
    }

    /// Writes what was said, waits until somebody hears something, and tells it.
    ///
    /// # Errors
    /// When a connection ends.
    pub fn turn(&mut self, wait: Duration, tell: &mut dyn FnMut(Place, Heard)) -> io::Result<()> {
        self.write_dirty()?;
        let wait = Timespec {
            tv_sec: i64::try_from(wait.as_secs()).unwrap_or(0),
            tv_nsec: wait.subsec_nanos().into(),
        };
        let mut ready = std::mem::take(&mut self.ready);
        ready.clear();
        epoll::wait(&self.epoll, spare_capacity(&mut ready), Some(&wait))?;
        for event in &ready {
            if event.data.u64() == LISTENER {
                self.accept()?;
                continue;
            }
            let place = Place::try_from(event.data.u64()).unwrap_or(Place::MAX);
            let flags = event.flags;
            if flags.contains(epoll::EventFlags::OUT) {
                self.write(place)?;
            }
            if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
                self.read(place, tell)?;
            }
        }
        self.ready = ready;
        // What the protocols answer by themselves must not wait for the next turn's sleep.
        self.write_dirty()
    }

    fn connect(&mut self, server: SocketAddr, speaker: Box<dyn Speaker>) -> io::Result<()> {
        self.add(connect(server)?, speaker, false)
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let Some((listener, speaker)) = &self.listening else { return Ok(()) };
            match listener.accept() {
                Ok((stream, _)) => {
                    let speaker = speaker();
                    self.add(stream, speaker, true)?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    fn add(&mut self, stream: TcpStream, speaker: Box<dyn Speaker>, is_guest: bool) -> io::Result<()> {
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let place = self.links.len();
        epoll::add(&self.epoll, &stream, data(place), epoll::EventFlags::IN)?;
        let mut link = Link {
            stream,
            speaker,
            unread: Vec::new(),
            unwritten: Vec::new(),
            is_dirty: false,
            is_blocked: false,
            is_guest,
            is_gone: false,
        };
        link.speaker.greet(&mut link.unwritten);
        self.links.push(link);
        self.mark(place);
        Ok(())
    }

    fn read(&mut self, place: Place, tell: &mut dyn FnMut(Place, Heard)) -> io::Result<()> {
        let link = &mut self.links[place];
        if link.is_gone {
            return Ok(());
        }
        let kept = link.unread.len();
        let scratch = &mut self.scratch;
        if scratch.len() < kept + SCRATCH_BYTES / 2 {
            scratch.resize(kept + SCRATCH_BYTES, 0);
        }
        scratch[..kept].copy_from_slice(&link.unread);
        let count = match link.stream.read(&mut scratch[kept..]) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Ok(0) | Err(_) if link.is_guest => {
                epoll::delete(&self.epoll, &link.stream)?;
                link.is_gone = true;
                return Ok(());
            }
            Ok(0) => return Err(gone(place)),
            Ok(count) => count,
            Err(error) => return Err(error),
        };
        let bytes = &mut scratch[..kept + count];
        let Link { speaker, unwritten, unread, .. } = link;
        let taken = speaker.hear(bytes, unwritten, &mut |heard| tell(place, heard))?;
        unread.clear();
        unread.extend_from_slice(&bytes[taken..]);
        self.mark(place);
        Ok(())
    }

    /// Remembers a connection that has something to write.
    fn mark(&mut self, place: Place) {
        let link = &mut self.links[place];
        if !link.unwritten.is_empty() && !link.is_dirty {
            link.is_dirty = true;
            self.dirty.push(place);
        }
    }

    fn write_dirty(&mut self) -> io::Result<()> {
        let mut dirty = std::mem::take(&mut self.dirty);
        for &place in &dirty {
            self.links[place].is_dirty = false;
            if !self.links[place].is_blocked {
                self.write(place)?;
            }
        }
        dirty.clear();
        self.dirty = dirty;
        Ok(())
    }

    fn write(&mut self, place: Place) -> io::Result<()> {
        let link = &mut self.links[place];
        let mut written = 0;
        while written < link.unwritten.len() && !link.is_gone {
            match link.stream.write(&link.unwritten[written..]) {
                Ok(count) => written += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        link.unwritten.drain(..written);
        let is_blocked = !link.unwritten.is_empty() && !link.is_gone;
        if is_blocked != link.is_blocked {
            link.is_blocked = is_blocked;
            let interest = if is_blocked { epoll::EventFlags::OUT } else { epoll::EventFlags::empty() };
            epoll::modify(&self.epoll, &link.stream, data(place), epoll::EventFlags::IN | interest)?;
        }
        Ok(())
    }
}

fn data(place: Place) -> epoll::EventData {
    epoll::EventData::new_u64(u64::try_from(place).unwrap_or(LISTENER - 1))
}

fn gone(place: Place) -> io::Error {
    io::Error::other(format!("the server ended connection {place}"))
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pool").field("links", &self.links.len()).finish_non_exhaustive()
    }
}
