//! A listener: a thread that accepts streams and starts a thread for each.

use std::fs::File;
use std::io::{self, ErrorKind, PipeReader, PipeWriter};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use peermesh_core::ids::{ConnId, ShardId};
use peermesh_core::machine::Listener;
use peermesh_core::note::{Level, Note};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::STACK_BYTES;
use crate::conn::{Link, carry};
use crate::shard::{Hub, Shard, Shards, at_home};
use crate::stream::{Arrival, Socket, Stream};

/// How long the listener rests when the process has no room for another stream.
const BACK_OFF: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Streams turned away before each rest.
const REFUSED_MAX: u32 = 1_024;

/// The threads of all listeners. They have ended, and closed their sockets, when this is gone.
#[derive(Debug)]
pub(crate) struct Listeners {
    over: Option<PipeWriter>,
    threads: Vec<JoinHandle<()>>,
}

impl Listeners {
    /// Starts one thread for each listener.
    pub(crate) fn open(
        listeners: Vec<(Listener, Socket)>,
        shards: &Shards,
        hub: &Arc<Hub>,
    ) -> io::Result<Listeners> {
        let (over, writer) = io::pipe()?;
        let mut open = Listeners { over: Some(writer), threads: Vec::with_capacity(listeners.len()) };
        for (kind, listener) in listeners {
            // A peer may give up after it was announced and before it is accepted.
            listener.set_nonblocking()?;
            let door = Door { kind, listener, over: over.try_clone()? };
            let (shards, fail, hub) = (Arc::clone(shards), &hub.fail, Arc::clone(hub));
            let work = move || accept(&door, &shards, &hub);
            let name = format!("listen-{kind:?}").to_lowercase();
            open.threads.push(crate::spawn_alone(name, None, fail, work)?);
        }
        Ok(open)
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        drop(self.over.take());
        for thread in self.threads.drain(..) {
            // Its panic was reported by itself.
            let _ = thread.join();
        }
    }
}

/// A place where streams come in.
struct Door {
    kind: Listener,
    listener: Socket,
    /// Hangs up when nobody is to come in any more.
    over: PipeReader,
}

impl Door {
    /// Waits for the next stream; false when nobody is to come in any more.
    fn await_stream(&self) -> bool {
        let stream = PollFd::new(&self.listener, PollFlags::IN);
        Door::wait(&mut [PollFd::new(&self.over, PollFlags::IN), stream], None)
    }

    /// Waits as long as the process is to rest; false when nobody is to come in any more.
    fn rest(&self) -> bool {
        Door::wait(&mut [PollFd::new(&self.over, PollFlags::IN)], Some(&BACK_OFF))
    }

    fn wait(wanted: &mut [PollFd<'_>], time: Option<&Timespec>) -> bool {
        // An interruption is as good as a stream that is not there.
        poll(wanted, time).is_err() || wanted[0].revents().is_empty()
    }
}

/// Accepts until the listeners are over.
fn accept(door: &Door, shards: &Shards, hub: &Arc<Hub>) {
    let mut reserve = Reserve::new();
    let mut failing = false;
    while door.await_stream() {
        let opened = match door.listener.accept() {
            Ok(Arrival::Peer(stream, remote)) => {
                seat(stream, ShardId(0), shards, hub, |shard, link| shard.open(link, door.kind, remote))
            }
            Ok(Arrival::Nobody) => continue,
            Ok(Arrival::Stranger { uid }) => {
                hub.refuse(uid);
                continue;
            }
            Err(error) if is_nobody(&error) => continue,
            Err(error) => Err(error),
        };
        let Err(error) = opened else {
            failing = false;
            continue;
        };
        if !failing {
            (hub.note)(Note::new(Level::Error, "accept failed").with("error", error.to_string()));
        }
        failing = true;
        reserve.refuse(&door.listener);
        if !door.rest() {
            return;
        }
    }
}

/// True when there is nobody to accept: the peer gave up before.
fn is_nobody(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// Starts the thread of a stream and opens it on a shard: streams that are accepted are opened in the order
/// they came in. Without a thread nobody is told of it.
pub(crate) fn seat(
    stream: Stream,
    home: ShardId,
    shards: &Shards,
    hub: &Arc<Hub>,
    tell: impl FnOnce(&mut Shard, &Arc<Link>),
) -> io::Result<()> {
    let seat = Seat::take(&hub.seats)?;
    let id = ConnId(hub.conns.fetch_add(1, Ordering::Relaxed));
    let link = Arc::new(Link::new(id, stream));
    link.move_to(home);
    let (carried, everywhere) = (Arc::clone(&link), Arc::clone(shards));
    let work = move || {
        carry(&carried, &everywhere);
        drop(seat);
    };
    crate::spawn_alone("conn".to_owned(), Some(STACK_BYTES), &hub.fail, work)?;
    at_home(shards, &link, |shard| tell(shard, &link));
    Ok(())
}

/// One of the threads that connections may have.
struct Seat(Arc<AtomicUsize>);

impl Seat {
    fn take(free: &Arc<AtomicUsize>) -> io::Result<Seat> {
        let taken = free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |free| free.checked_sub(1));
        let full = "there are as many connections as there is room for";
        taken.map(|_| Seat(Arc::clone(free))).map_err(|_| io::Error::other(full))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A descriptor held back, so that streams can be accepted and closed when no other is left: their peers
/// learn at once that there is no room, instead of waiting in the kernel's queue.
struct Reserve(Option<File>);

impl Reserve {
    fn new() -> Reserve {
        Reserve(File::open("/dev/null").ok())
    }

    /// Turns away who waits.
    fn refuse(&mut self, listener: &Socket) {
        self.0 = None;
        for _ in 0..REFUSED_MAX {
            if listener.accept().is_err() {
                break;
            }
        }
        *self = Reserve::new();
    }
}
