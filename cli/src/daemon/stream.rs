//! Reads the daemon's stream of events (`GET /v1/events`).
//!
//! *Always holds:* every wait and every length is bounded. A stream that says nothing for longer than the
//! daemon's signs of life take is over.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::DaemonError;
use super::client::{self, Question};
use super::place::Place;
use crate::http;

/// Without a byte for so long, a stream is over: three of the daemon's signs of life.
const SILENCE: Duration = Duration::from_secs(45);
/// The longest event, and the longest answer of a daemon that gives no stream.
const EVENT_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) body: Value,
}

/// An open stream.
#[derive(Debug)]
pub(crate) struct Stream {
    from: UnixStream,
    bytes: Vec<u8>,
    /// The id of the last event: where to go on after a break.
    pub(crate) last: Option<String>,
    heard: Instant,
}

impl Stream {
    /// Opens the stream of everything that a program, or a session, may hear. `last` is the id of the last
    /// event of an earlier stream; what was missed since comes first, or one `resync` where that is not
    /// known.
    ///
    /// # Errors
    /// As [`client::put`], and the daemon's words where it refuses.
    pub(crate) fn open(
        place: &Place,
        session: Option<&str>,
        last: Option<String>,
    ) -> Result<Stream, DaemonError> {
        let mut from = client::connect(place)?;
        let silent = |error| DaemonError::Silent { socket: place.socket_path(), error };
        let question = Question { session, ..Question::new("GET", "/v1/events", None) };
        let resumed = last.as_ref().map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
        from.set_write_timeout(Some(question.patience)).map_err(silent)?;
        from.write_all(&client::bytes_of(&question, &resumed)).map_err(silent)?;
        let mut stream = Stream { from, bytes: Vec::new(), last, heard: Instant::now() };
        let until = Instant::now() + question.patience;
        while find(&stream.bytes, b"\r\n\r\n").is_none() {
            if !stream.fill(until).map_err(silent)? {
                return Err(silent(io::ErrorKind::TimedOut.into()));
            }
        }
        if stream.bytes.starts_with(b"HTTP/1.1 200 ") {
            let head = find(&stream.bytes, b"\r\n\r\n").unwrap_or(0) + 4;
            stream.bytes.drain(..head);
            return Ok(stream);
        }
        // It is an answer like any other, which ends with its connection.
        while stream.fill(until).is_ok_and(|came| came) {}
        let nonsense = |what| DaemonError::Nonsense { socket: place.socket_path(), what };
        client::judge(&http::parse(&stream.bytes).map_err(nonsense)?)?;
        Err(nonsense("no stream".to_owned()))
    }

    /// The next event; none when none came until then.
    ///
    /// # Errors
    /// When the stream is over.
    pub(crate) fn next(&mut self, until: Instant) -> io::Result<Option<Event>> {
        // What was looked through once without an end in it; the end may have begun with its last byte.
        let mut searched = 0;
        loop {
            while let Some(end) = find(&self.bytes[searched..], b"\n\n") {
                let frame: Vec<u8> = self.bytes.drain(..searched + end + 2).collect();
                searched = 0;
                if let Some(event) = self.read(&String::from_utf8_lossy(&frame)) {
                    return Ok(Some(event));
                }
            }
            searched = self.bytes.len().saturating_sub(1);
            if !self.fill(until)? {
                return Ok(None);
            }
        }
    }

    /// Reads a frame. One that tells of nothing is a sign of life.
    fn read(&mut self, frame: &str) -> Option<Event> {
        let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if let Some(id) = field("id:") {
            self.last = Some(id.to_owned());
        }
        let body = serde_json::from_str(field("data:")?).unwrap_or_default();
        Some(Event { kind: field("event:").unwrap_or_default().to_owned(), body })
    }

    /// Reads more; false when nothing came until then.
    fn fill(&mut self, until: Instant) -> io::Result<bool> {
        if self.bytes.len() > EVENT_BYTES_MAX {
            return Err(io::Error::other("an event is too long"));
        }
        let mut chunk = [0; 16 * 1024];
        loop {
            let dead = self.heard + SILENCE;
            let left = until.min(dead).saturating_duration_since(Instant::now());
            if left.is_zero() {
                return if dead <= until { Err(io::ErrorKind::TimedOut.into()) } else { Ok(false) };
            }
            self.from.set_read_timeout(Some(left))?;
            match self.from.read(&mut chunk) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => {
                    self.heard = Instant::now();
                    self.bytes.extend_from_slice(&chunk[..count]);
                    return Ok(true);
                }
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {}
                    _ => return Err(error),
                },
            }
        }
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    fn stream() -> (UnixStream, Stream) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (theirs, Stream { from: ours, bytes: Vec::new(), last: None, heard: Instant::now() })
    }

    #[test]
    fn events_are_read_however_they_are_cut_and_the_last_id_is_kept() {
        let (mut daemon, mut stream) = stream();
        let text = ": keepalive\n\nid: r-1\nevent: message\ndata: {\"body\":\"a\"}\n\n\
            id: r-2\nevent: x\ndata: {}\n\n";
        for byte in text.as_bytes() {
            daemon.write_all(&[*byte]).unwrap();
        }
        let first = stream.next(soon()).unwrap().unwrap();
        assert_eq!((first.kind.as_str(), first.body), ("message", json!({ "body": "a" })));
        assert_eq!(stream.last.as_deref(), Some("r-1"));
        assert_eq!(stream.next(soon()).unwrap().unwrap().kind, "x");
        assert_eq!(stream.last.as_deref(), Some("r-2"));
        assert_eq!(stream.next(Instant::now()).unwrap(), None);
        drop(daemon);
        assert!(stream.next(soon()).is_err());
    }

    #[test]
    fn an_event_without_an_end_is_not_read_for_ever() {
        let (mut daemon, mut stream) = stream();
        let flood = std::thread::spawn(move || while daemon.write_all(&[b'x'; 64 * 1024]).is_ok() {});
        assert!(stream.next(soon()).is_err());
        drop(stream);
        flood.join().unwrap();
    }
}
