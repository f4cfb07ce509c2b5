//! Carries bytes between a TLS stream and a socket of this machine that has them in clear.
//!
//! *Always holds:* nothing piles up: a side is read only when the other has taken what came before, so
//! whoever does not read holds up its peer, as on one stream. An end of either side is passed on to the
//! other, after everything that came before it.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustls::ClientConnection;

/// Bytes taken of either side at once; a record of TLS holds no more.
const CHUNK_BYTES: usize = 16 * 1_024;
/// How long the last words may take after whoever says them is gone.
const LINGER: Duration = Duration::from_secs(5);

/// Carries until both sides have ended, or either breaks.
pub(super) fn run(tls: ClientConnection, net: &TcpStream, local: &UnixStream) {
    // A broken side is seen by whoever is left: both sockets close with this.
    let _ = carry(tls, net, local);
}

struct Pump<'a> {
    tls: ClientConnection,
    net: &'a TcpStream,
    local: &'a UnixStream,
    /// Came from the net, and the local side has not taken it yet.
    inward: Vec<u8>,
    /// How much of it was taken.
    taken: usize,
    net_ended: bool,
    local_ended: bool,
    /// The end of the other side was passed on.
    net_shut: bool,
    local_shut: bool,
}

/// What can go on only when a side is ready again.
struct Waits {
    net: PollFlags,
    local: PollFlags,
}

fn carry(tls: ClientConnection, net: &TcpStream, local: &UnixStream) -> io::Result<()> {
    net.set_nonblocking(true)?;
    local.set_nonblocking(true)?;
    let mut pump = Pump {
        tls,
        net,
        local,
        inward: Vec::new(),
        taken: 0,
        net_ended: false,
        local_ended: false,
        net_shut: false,
        local_shut: false,
    };
    // Set once whoever has the clear side is gone altogether.
    let mut until: Option<Instant> = None;
    loop {
        let mut waits = Waits { net: PollFlags::empty(), local: PollFlags::empty() };
        let moved = pump.outward(&mut waits)? | pump.inward(&mut waits)?;
        if pump.net_shut && (pump.local_shut || until.is_some()) {
            return Ok(());
        }
        if moved {
            continue;
        }
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Ok(());
        }
        if wait(&pump, &waits, left)? && until.is_none() {
            until = Some(Instant::now() + LINGER);
        }
    }
}

impl Pump<'_> {
    /// From here to the net; true when something moved.
    fn outward(&mut self, waits: &mut Waits) -> io::Result<bool> {
        let mut moved = false;
        while self.tls.wants_write() {
            match self.tls.write_tls(&mut self.net) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(_) => moved = true,
                Err(error) if is_for_later(&error) => {
                    waits.net |= PollFlags::OUT;
                    return Ok(moved);
                }
                Err(error) => return Err(error),
            }
        }
        if self.local_ended {
            if !self.net_shut {
                self.net_shut = true;
                // A peer that is gone already needs no end.
                let _ = self.net.shutdown(Shutdown::Write);
            }
            return Ok(moved);
        }
        let mut chunk = [0; CHUNK_BYTES];
        match self.local.read(&mut chunk) {
            Ok(0) => {
                self.local_ended = true;
                self.tls.send_close_notify();
                Ok(true)
            }
            Ok(count) => {
                self.tls.writer().write_all(chunk.get(..count).unwrap_or_default())?;
                Ok(true)
            }
            Err(error) if is_for_later(&error) => {
                waits.local |= PollFlags::IN;
                Ok(moved)
            }
            Err(error) => Err(error),
        }
    }

    /// From the net to here; true when something moved.
    fn inward(&mut self, waits: &mut Waits) -> io::Result<bool> {
        if self.taken == self.inward.len() && !self.open_records()? {
            return self.end_or_read(waits);
        }
        match self.local.write(self.inward.get(self.taken..).unwrap_or_default()) {
            Ok(0) => Err(ErrorKind::WriteZero.into()),
            Ok(count) => {
                self.taken += count;
                Ok(true)
            }
            Err(error) if is_for_later(&error) => {
                waits.local |= PollFlags::OUT;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Takes what is in clear; false when there is nothing yet, or nothing any more.
    fn open_records(&mut self) -> io::Result<bool> {
        self.taken = 0;
        self.inward.resize(CHUNK_BYTES, 0);
        let read = self.tls.reader().read(&mut self.inward);
        self.inward.truncate(*read.as_ref().unwrap_or(&0));
        match read {
            Ok(0) => {
                self.net_ended = true;
                Ok(false)
            }
            Ok(_) => Ok(true),
            // The net ended without a goodbye: what came before it is whole.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                self.net_ended = true;
                Ok(false)
            }
            Err(error) if is_for_later(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn end_or_read(&mut self, waits: &mut Waits) -> io::Result<bool> {
        if self.net_ended {
            let is_first = !std::mem::replace(&mut self.local_shut, true);
            if is_first {
                let _ = self.local.shutdown(Shutdown::Write);
            }
            return Ok(is_first);
        }
        match self.tls.read_tls(&mut self.net) {
            Ok(_) => {
                if let Err(error) = self.tls.process_new_packets() {
                    // The peer may hear why.
                    let _ = self.tls.write_tls(&mut self.net);
                    return Err(io::Error::other(error));
                }
                Ok(true)
            }
            Err(error) if is_for_later(&error) => {
                waits.net |= PollFlags::IN;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }
}

/// Waits until a side is ready; true when whoever had the clear side is gone altogether.
fn wait(pump: &Pump<'_>, waits: &Waits, left: Option<Duration>) -> io::Result<bool> {
    let left = left.map(|left| Timespec {
        tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(left.subsec_nanos()),
    });
    let (net, local) = (PollFd::new(pump.net, waits.net), PollFd::new(pump.local, waits.local));
    // A side that nothing is wanted of would still tell, over and over, that it is gone.
    let knows = left.is_some() && waits.local.is_empty();
    let mut wanted = match (waits.net.is_empty(), knows) {
        (false, false) => vec![local, net],
        (true, _) => vec![local],
        (false, true) => vec![net],
    };
    match poll(&mut wanted, left.as_ref()) {
        Err(Errno::INTR) => Ok(false),
        Err(error) => Err(error.into()),
        Ok(_) => Ok(!knows && wanted.first().is_some_and(|local| local.revents().contains(PollFlags::HUP))),
    }
}

fn is_for_later(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
