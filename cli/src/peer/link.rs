//! A WebSocket connection to a broker: the core's client role, driven over a blocking socket.
//!
//! *Always holds:* every wait ends by the caller's deadline or by the connection's own. After the connection
//! ended, its end is what every further call answers.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use peermesh_core::config::Limits;
use peermesh_core::conn::{Chunk, Connection, Event, Lapse};
use peermesh_core::fault::{Advice, Fault, word_of};
use peermesh_core::ids::ConnId;
use peermesh_core::machine::{Closing, Output, Outputs};
use peermesh_core::rng::Rng;
use peermesh_core::time::Mono;
use serde_json::Value;

use crate::address::Address;
use crate::failure::Exit;
use crate::tls::TlsError;
use crate::{home, http};

/// From dialling to the end of the upgrade, and the longest a single write may take.
const DIAL: Duration = Duration::from_secs(10);
/// From our goodbye to the broker's.
const GOODBYE: Duration = Duration::from_secs(2);
/// The longest message that is taken: a list of all peers of a large mesh.
const MESSAGE_BYTES_MAX: u64 = 16 * 1024 * 1024;
/// Bytes read at once.
const CHUNK_BYTES: usize = 64 * 1024;
/// The only connection of its [`Outputs`].
const ID: ConnId = ConnId(0);

/// Why there is no connection, or no answer on it.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("cannot reach the broker at {address}: {error}; is it running? start one with: peermesh serve")]
    Unreachable { address: String, error: String },
    #[error("the broker at {address} cannot be trusted: {error}")]
    Distrusted { address: String, error: String },
    #[error("the connection to the broker broke: {error}; try again")]
    Lost { error: String },
    #[error("{address} does not take WebSocket connections (status {status}); check the broker's address")]
    Declined { address: String, status: u16 },
    #[error("the broker ended the connection: {reason} ({code}){}", way_out(reason, *advice))]
    Closed { code: u16, reason: String, advice: Advice },
    #[error("the broker refused: {message} ({code}){}", way_out(code, *advice))]
    Refused { code: String, message: String, advice: Advice },
    #[error("the broker did not answer in time ({waited_for}); try again")]
    Silent { waited_for: &'static str },
    #[error("the broker speaks another protocol ({what}); check its address and version")]
    Nonsense { what: &'static str },
}

impl LinkError {
    /// True when the same request may succeed on a later connection.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            LinkError::Unreachable { .. } | LinkError::Lost { .. } | LinkError::Silent { .. } => true,
            LinkError::Declined { status, .. } => *status >= 500 || *status == 429,
            LinkError::Closed { advice, .. } | LinkError::Refused { advice, .. } => *advice != Advice::Never,
            LinkError::Nonsense { .. } | LinkError::Distrusted { .. } => false,
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            LinkError::Silent { .. } => Exit::Timeout,
            LinkError::Nonsense { .. } => Exit::Failed,
            LinkError::Unreachable { .. }
            | LinkError::Distrusted { .. }
            | LinkError::Lost { .. }
            | LinkError::Declined { .. }
            | LinkError::Closed { .. }
            | LinkError::Refused { .. } => {
                if self.may_pass() {
                    Exit::Unreachable
                } else {
                    Exit::Refused
                }
            }
        }
    }

    /// A refusal by an error frame. The table of close codes knows which refusals pass.
    pub(crate) fn refused(code: &str, message: &str) -> LinkError {
        let known = Fault::ALL.iter().map(|fault| fault.row()).find(|row| row.reason == code);
        let advice = match known {
            Some(row) => row.advice,
            None if message.starts_with("retry:") => Advice::Later,
            None => Advice::Never,
        };
        LinkError::Refused { code: code.to_owned(), message: message.to_owned(), advice }
    }

    fn closed(code: Option<u16>, reason: String) -> LinkError {
        const NO_CODE: u16 = 1005;
        let code = code.unwrap_or(NO_CODE);
        let word = word_of(&reason);
        let row =
            Fault::ALL.iter().map(|fault| fault.row()).find(|row| row.code == code && row.reason == word);
        LinkError::Closed { code, reason, advice: row.map_or(Advice::Resume, |row| row.advice) }
    }
}

/// The end of a wait that has a length of its own, within what the caller has left.
pub(super) fn within(wait: Duration, until: Option<Instant>) -> Instant {
    let own = Instant::now() + wait;
    until.map_or(own, |until| until.min(own))
}

/// What whoever reads why a daemon was sent away for good can do, after those words.
pub(crate) fn way_back(why: &str) -> &'static str {
    let word = why.split([':', ' ']).next().unwrap_or_default();
    way_out(word, Advice::Never)
}

fn way_out(word: &str, advice: Advice) -> &'static str {
    match (word, advice) {
        ("timestamp_skew", _) => "; set this machine's clock, then try again",
        ("unauthorized" | "revoked" | "banned", _) => "; ask the mesh's owner for an invite and join again",
        ("member_key_rotated", _) => "; if you replaced it on this host, end that with: peermesh rotate-key",
        (_, Advice::Never) => "",
        (_, Advice::Resume | Advice::Later) => "; try again later",
    }
}

/// An open connection.
#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
    conn: Connection,
    started: Instant,
    todo: Outputs,
    chunk: Vec<u8>,
    /// Messages of the last chunk that nobody took yet.
    messages: VecDeque<Value>,
    upgraded: bool,
    end: Option<LinkError>,
}

impl Link {
    /// Dials and upgrades, until then at the latest.
    pub(crate) fn dial(address: &Address, until: Option<Instant>) -> Result<Link, LinkError> {
        let until = within(DIAL, until);
        let unreachable = |error: String| LinkError::Unreachable { address: address.to_string(), error };
        let stream = http::dial(address, until).map_err(|error| match error {
            TlsError::Io(error) => unreachable(error.to_string()),
            error => LinkError::Distrusted { address: address.to_string(), error: error.to_string() },
        })?;
        // A wait of nothing is refused.
        let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        stream.set_write_timeout(Some(left)).map_err(|error| unreachable(error.to_string()))?;
        let seed = home::random::<32>().map_err(|error| unreachable(error.to_string()))?;
        let mut todo = Outputs::new();
        let (host, path) = (address.authority(), address.socket_path());
        let conn = Connection::client(
            &Arc::new(client_limits()),
            Rng::from_seed(seed),
            ID,
            &host,
            path,
            Mono::START,
            &mut todo,
        );
        let mut link = Link {
            stream,
            conn,
            started: Instant::now(),
            todo,
            chunk: vec![0; CHUNK_BYTES],
            messages: VecDeque::new(),
            upgraded: false,
            end: None,
        };
        link.perform();
        while !link.upgraded {
            if !link.step(Some(until)) {
                return Err(LinkError::Silent { waited_for: "the upgrade" });
            }
            if let Some(LinkError::Declined { status, .. }) = link.end {
                return Err(LinkError::Declined { address: address.to_string(), status });
            }
            link.still_open()?;
        }
        link.conn.start_keepalive(link.now());
        Ok(link)
    }

    /// Sends one message.
    pub(crate) fn send(&mut self, message: &Value) -> Result<(), LinkError> {
        self.still_open()?;
        let now = self.now();
        self.conn.send(now, message.to_string().as_bytes(), ID, &mut self.todo);
        self.perform();
        self.still_open()
    }

    /// The next message; `None` when none came until then. Without a deadline it waits as long as the link
    /// lives.
    pub(crate) fn receive(&mut self, until: Option<Instant>) -> Result<Option<Value>, LinkError> {
        loop {
            if let Some(message) = self.messages.pop_front() {
                return Ok(Some(message));
            }
            self.still_open()?;
            if !self.step(until) {
                return Ok(None);
            }
        }
    }

    /// Says goodbye and waits for the broker's, so that everything sent before has been read.
    pub(crate) fn goodbye(mut self) {
        let now = self.now();
        self.conn.close(now, Fault::Disconnected, ID, &mut self.todo);
        self.perform();
        let until = Instant::now() + GOODBYE;
        while self.end.is_none() && !self.conn.is_over() && self.step(Some(until)) {
            self.messages.clear();
        }
    }

    fn still_open(&self) -> Result<(), LinkError> {
        self.end.clone().map_or(Ok(()), Err)
    }

    fn now(&self) -> Mono {
        let nanos = self.started.elapsed().as_nanos();
        Mono::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    /// Waits for bytes or for the connection's own deadline; false once `until` has passed.
    fn step(&mut self, until: Option<Instant>) -> bool {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return false;
        }
        let own = self.conn.deadline().map(|at| at.since(self.now()));
        let wait = [left, own].into_iter().flatten().min();
        // A wait of nothing would mean waiting for ever.
        let wait = wait.map(|wait| wait.max(Duration::from_millis(1)));
        let mut chunk = std::mem::take(&mut self.chunk);
        match self.stream.set_read_timeout(wait).and_then(|()| self.stream.read(&mut chunk)) {
            Ok(0) => {
                let now = self.now();
                self.conn.ended(now, ID, &mut self.todo);
                self.end.get_or_insert(LinkError::Lost { error: "the broker is gone".into() });
            }
            Ok(count) => self.feed(chunk.get_mut(..count).unwrap_or_default()),
            Err(error) if is_no_news(&error) => {}
            Err(error) => {
                self.end.get_or_insert(LinkError::Lost { error: error.to_string() });
            }
        }
        self.chunk = chunk;
        self.wake();
        self.perform();
        true
    }

    fn feed(&mut self, bytes: &mut [u8]) {
        let now = self.now();
        let mut chunk = Chunk::new(bytes);
        while let Some(event) = self.conn.next(now, &mut chunk, ID, &mut self.todo) {
            match event {
                Event::Upgraded => self.upgraded = true,
                Event::Message(text) => match serde_json::from_str(&text) {
                    Ok(message) => self.messages.push_back(message),
                    Err(_) => self.end = Some(LinkError::Nonsense { what: "a message is no JSON" }),
                },
                Event::Pong(_) | Event::Binary(_) => {}
                Event::Declined { status } => {
                    self.end = Some(LinkError::Declined { address: String::new(), status });
                }
                Event::Goodbye { code, reason } => self.end = Some(LinkError::closed(code, reason)),
                Event::Broken(fault) => {
                    self.conn.close(now, fault, ID, &mut self.todo);
                    self.end = Some(LinkError::Nonsense { what: fault.row().reason });
                    return;
                }
                Event::Request(_) | Event::Announced(_) | Event::Refused(_) => {
                    self.end = Some(LinkError::Nonsense { what: "it answered with a request" });
                    return;
                }
            }
        }
    }

    fn wake(&mut self) {
        let now = self.now();
        if self.conn.deadline().is_none_or(|at| at > now) {
            return;
        }
        match self.conn.wake(now, ID, &mut self.todo) {
            None => {}
            Some(Lapse::Fault(fault)) => {
                self.conn.close(now, fault, ID, &mut self.todo);
                self.end.get_or_insert(LinkError::Lost { error: fault.row().when.to_owned() });
            }
            Some(Lapse::Dead) => {
                self.conn.abort(ID, &mut self.todo);
                self.end.get_or_insert(LinkError::Lost { error: "the broker fell silent".into() });
            }
        }
    }

    /// Does what the connection wishes, until it wishes nothing.
    fn perform(&mut self) {
        while !self.todo.is_empty() {
            let wishes = self.todo.take();
            let mut written = 0;
            for wish in &wishes {
                match self.obey(wish) {
                    Ok(bytes) => written += bytes,
                    Err(error) => {
                        self.end.get_or_insert(LinkError::Lost { error: error.to_string() });
                    }
                }
            }
            self.todo.clear(wishes);
            if written > 0 {
                let now = self.now();
                self.conn.sent(now, written, ID, &mut self.todo);
            }
        }
    }

    /// Bytes written, if any. Reading is not a matter of grants here: a blocking reader reads when it waits.
    fn obey(&mut self, wish: &Output) -> io::Result<usize> {
        match wish {
            Output::Send { bytes, .. } => {
                let bytes = self.todo.bytes(bytes);
                (&self.stream).write_all(bytes).map(|()| bytes.len())
            }
            Output::Close { how, .. } => {
                let side = match how {
                    Closing::Write => Shutdown::Write,
                    Closing::Both => Shutdown::Both,
                };
                // A stream that the broker has reset is as closed as it can be.
                let _ = self.stream.shutdown(side);
                Ok(0)
            }
            Output::Read { .. }
            | Output::Store(_)
            | Output::Relay { .. }
            | Output::Handoff { .. }
            | Output::Scrape { .. }
            | Output::Weigh { .. }
            | Output::Forward(_)
            | Output::Dial { .. }
            | Output::Note(_)
            | Output::Stats(_)
            | Output::Finished
            | Output::Fail { .. } => Ok(0),
        }
    }
}

fn client_limits() -> Limits {
    let mut limits = Limits::default();
    // Both lie within the ranges of the table.
    let _ = limits.set("message_bytes_max", MESSAGE_BYTES_MAX);
    let _ = limits.set("outbox_bytes_max", limits.outbox_bytes_least());
    limits
}

fn is_no_news(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_close_codes_decides_what_may_pass() {
        assert!(LinkError::closed(Some(1001), "shutting down".into()).may_pass());
        assert!(LinkError::closed(Some(1013), "overloaded".into()).may_pass());
        assert!(LinkError::closed(None, String::new()).may_pass());
        assert!(!LinkError::closed(Some(4002), "banned".into()).may_pass());
        assert!(!LinkError::closed(Some(1000), "session_replaced".into()).may_pass());
        assert!(LinkError::refused("capacity", "mesh at connection capacity").may_pass());
        assert!(LinkError::refused("store_down", "retry: store_down").may_pass());
        assert_eq!(LinkError::refused("revoked", "You've been removed").exit(), Exit::Refused);
        assert_eq!(LinkError::refused("replayed", "replayed").exit(), Exit::Unreachable);
    }

    #[test]
    fn the_limits_of_a_client_hold_together() {
        assert_eq!(client_limits().check(), Ok(()));
        assert_eq!(client_limits().message_bytes_max(), MESSAGE_BYTES_MAX);
    }
}
