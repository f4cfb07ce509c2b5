//! Connections to the event target that ask little of the system: most of what an event costs on its way out
//! is not in its bytes but in the calls about them.
//!
//! *Decides* when bytes are written: the head of a request waits for the beginning of its body, so that both
//! leave as one. *Always holds:* whoever waits for an answer has written everything before; a connection is
//! looked at before it is used again; nothing takes longer than it may.

use std::fmt;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::net::{RecvFlags, recv};
use ureq::Error;
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};

/// Makes TCP connections.
#[derive(Debug, Default)]
pub(super) struct Frugal;

/// See the module's own words.
pub(super) struct Line {
    stream: TcpStream,
    buffers: LazyBuffers,
    /// What is to be written before anything is waited for.
    held: Vec<u8>,
    write_patience: Duration,
    read_patience: Duration,
    /// The other side has just said something, and nobody has asked since whether it is there.
    has_just_spoken: bool,
}

/// What is longer is written at once.
const HELD_BYTES_MAX: usize = 8 * 1_024;
/// Where nobody says how long something may take, it may take this long: a kernel is told no greater time.
const LONGEST: Duration = Duration::from_secs(3_600);

impl Connector<()> for Frugal {
    type Out = Line;

    fn connect(&self, details: &ConnectionDetails<'_>, _chained: Option<()>) -> Result<Option<Line>, Error> {
        let (began, patience) = (Instant::now(), (*details.timeout.after).min(LONGEST));
        let mut failure = Error::ConnectionFailed;
        let count = details.addrs.len();
        for (at, address) in details.addrs.iter().enumerate() {
            // Each has an equal share of the time that is left: one that says nothing is not the last.
            let shares = u32::try_from(count - at).unwrap_or(u32::MAX);
            let share = patience.saturating_sub(began.elapsed()) / shares;
            if share.is_zero() {
                return Err(Error::Timeout(details.timeout.reason));
            }
            match TcpStream::connect_timeout(address, share) {
                Ok(stream) => return Line::new(stream, details).map(Some),
                Err(error) => failure = told(error, details.timeout),
            }
        }
        Err(failure)
    }
}

impl Line {
    fn new(stream: TcpStream, details: &ConnectionDetails<'_>) -> Result<Line, Error> {
        stream.set_nodelay(true)?;
        let config = &details.config;
        Ok(Line {
            stream,
            buffers: LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size()),
            held: Vec::new(),
            write_patience: Duration::ZERO,
            read_patience: Duration::ZERO,
            has_just_spoken: false,
        })
    }

    fn write_held(&mut self, timeout: NextTimeout) -> Result<(), Error> {
        if self.held.is_empty() {
            return Ok(());
        }
        let patience = rounded((*timeout.after).min(LONGEST));
        if patience != self.write_patience {
            self.stream.set_write_timeout(Some(patience))?;
            self.write_patience = patience;
        }
        let written = self.stream.write_all(&self.held);
        self.held.clear();
        written.map_err(|error| told(error, timeout))
    }
}

impl Transport for Line {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        let is_first = self.held.is_empty();
        self.held.extend_from_slice(&self.buffers.output()[..amount]);
        if is_first && self.held.len() <= HELD_BYTES_MAX {
            return Ok(());
        }
        self.write_held(timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.write_held(timeout)?;
        let until = Instant::now() + (*timeout.after).min(LONGEST);
        loop {
            let patience = rounded(until.saturating_duration_since(Instant::now()));
            if patience.is_zero() {
                return Err(Error::Timeout(timeout.reason));
            }
            if patience != self.read_patience {
                self.stream.set_read_timeout(Some(patience))?;
                self.read_patience = patience;
            }
            match self.stream.read(self.buffers.input_append_buf()) {
                Ok(count) => {
                    self.buffers.input_appended(count);
                    self.has_just_spoken = count > 0;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(told(error, timeout)),
            }
        }
    }

    /// Asked when a connection is put back after an answer, where looking costs a call and finds nothing that
    /// the next look would not; and again before the connection is used, where it matters.
    fn is_open(&mut self) -> bool {
        if std::mem::take(&mut self.has_just_spoken) {
            return true;
        }
        // On a connection that is open and idle there is nothing to read.
        let looked = recv(&self.stream, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT);
        matches!(looked, Err(error) if error == rustix::io::Errno::WOULDBLOCK)
    }
}

impl fmt::Debug for Line {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.debug_struct("Line").field("peer", &self.stream.peer_addr().ok()).finish_non_exhaustive()
    }
}

/// A time to wait as the kernel is told it: never longer, shorter by no more than a thirty-second part, and
/// the same for all requests, whose times differ by the microseconds that passed, so that it is told once.
fn rounded(patience: Duration) -> Duration {
    let Some(micros) = u64::try_from(patience.as_micros()).ok().filter(|micros| *micros > 0) else {
        return patience;
    };
    let step = (micros.ilog2()).saturating_sub(5);
    Duration::from_micros(micros >> step << step)
}

fn told(error: io::Error, timeout: NextTimeout) -> Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => Error::Timeout(timeout.reason),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_is_told_a_time_that_is_never_longer_and_seldom_another() {
        let millis = |millis: u64| Duration::from_millis(millis);
        for (patience, wanted) in [(10_000, 9_961_472), (100, 98_304), (1, 992)] {
            assert_eq!(rounded(millis(patience)), Duration::from_micros(wanted));
        }
        assert_eq!(rounded(millis(10_000)), rounded(millis(9_970)));
        assert_eq!(rounded(Duration::ZERO), Duration::ZERO);
        assert_eq!(rounded(Duration::from_micros(7)), Duration::from_micros(7));
    }
}
