//! One end of a byte stream: a connection of the core with the duties of its owner, and what it saw.

use std::sync::Arc;

use peermesh_core::config::Limits;
use peermesh_core::conn::{Chunk, Connection, Event};
use peermesh_core::fault::Fault;
use peermesh_core::ids::ConnId;
use peermesh_core::machine::{Closing, Output, Outputs};
use peermesh_core::rng::Rng;
use peermesh_core::time::Mono;
use peermesh_core::wire::http::{Request, Response};

const ID: ConnId = ConnId(7);

/// A request that every server upgrades.
pub const UPGRADE: &[u8] = b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The answer that a [`End::client`] takes for an agreement.
pub const AGREEMENT: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Accept: E4Z3d/Pq/dsB8LrK4CfBwtP7xSA=\r\n\r\n";

/// What a connection found in its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// A whole request.
    Request(Request),
    /// A request that is refused with this status.
    Refused(u16),
    /// The upgrade is agreed to.
    Upgraded,
    /// It is declined with this status.
    Declined(u16),
    /// A message.
    Message(String),
    /// A pong.
    Pong(Vec<u8>),
    /// The peer's close frame.
    Goodbye(Option<u16>, String),
    /// The peer broke the protocol.
    Broken(Fault),
}

/// A connection whose owner agrees to every upgrade, answers every other request with 404, ends what is
/// broken, and takes every byte that is sent at once.
#[derive(Debug)]
pub struct End {
    conn: Connection,
    /// What was seen, in order.
    pub seen: Vec<Seen>,
    /// What was written.
    pub written: Vec<u8>,
    /// How our side was ended.
    pub ended: Vec<Closing>,
    /// The peer counts as known as soon as it is upgraded.
    trusting: bool,
    todo: Outputs,
}

impl End {
    /// The accepting side.
    pub fn server(limits: &Arc<Limits>, trusting: bool) -> End {
        End::of(Connection::server(limits), Outputs::new(), trusting)
    }

    /// The dialling side. Its chance comes from a fixed seed, so it always asks with the same key.
    pub fn client(limits: &Arc<Limits>) -> End {
        let mut todo = Outputs::new();
        let rng = Rng::from_seed([5; 32]);
        let conn = Connection::client(limits, rng, ID, "a", "/ws", Mono::START, &mut todo);
        let mut end = End::of(conn, todo, true);
        end.perform();
        end
    }

    fn of(conn: Connection, todo: Outputs, trusting: bool) -> End {
        End { conn, seen: Vec::new(), written: Vec::new(), ended: Vec::new(), trusting, todo }
    }

    /// Forgets what was seen and written so far.
    pub fn forget(&mut self) {
        self.seen.clear();
        self.written.clear();
    }

    /// One chunk arrives and is read to its end.
    pub fn reads(&mut self, bytes: &[u8]) {
        let mut copy = bytes.to_vec();
        let mut chunk = Chunk::new(&mut copy);
        while let Some(event) = self.conn.next(Mono::START, &mut chunk, ID, &mut self.todo) {
            let seen = seen(event);
            self.answer(&seen);
            self.seen.push(seen);
        }
        self.perform();
    }

    /// One chunk arrives and is put aside.
    pub fn keeps(&mut self, bytes: &[u8]) {
        self.conn.keep(Chunk::new(&mut bytes.to_vec()));
    }

    fn answer(&mut self, seen: &Seen) {
        let (now, todo) = (Mono::START, &mut self.todo);
        match seen {
            Seen::Request(Request { upgrade: Some(upgrade), .. }) => {
                self.conn.accept(now, &upgrade.accept, ID, todo);
                if self.trusting {
                    self.conn.start_keepalive(now);
                }
            }
            Seen::Request(_) => self.conn.respond(now, &refusal(404), ID, todo),
            Seen::Refused(status) => self.conn.respond(now, &refusal(*status), ID, todo),
            Seen::Broken(fault) => self.conn.close(now, *fault, ID, todo),
            Seen::Upgraded | Seen::Declined(_) | Seen::Message(_) | Seen::Pong(_) | Seen::Goodbye(..) => {}
        }
    }

    fn perform(&mut self) {
        while !self.todo.is_empty() {
            let wishes = self.todo.take();
            let mut taken = 0;
            for wish in &wishes {
                match wish {
                    Output::Send { bytes, .. } => {
                        let bytes = self.todo.bytes(bytes);
                        assert!(self.ended.is_empty(), "bytes after the end of our side");
                        self.written.extend_from_slice(bytes);
                        taken += bytes.len();
                    }
                    Output::Close { how, .. } => self.ended.push(*how),
                    other => panic!("a connection cannot wish for {other:?}"),
                }
            }
            self.todo.clear(wishes);
            if taken > 0 {
                self.conn.sent(Mono::START, taken, ID, &mut self.todo);
            }
        }
    }
}

fn seen(event: Event<'_>) -> Seen {
    match event {
        Event::Request(request) => Seen::Request(*request),
        Event::Announced(_) => panic!("nobody asked to be shown heads"),
        Event::Binary(_) => panic!("nobody asked to tell binary messages apart"),
        Event::Refused(response) => Seen::Refused(response.status),
        Event::Upgraded => Seen::Upgraded,
        Event::Declined { status } => Seen::Declined(status),
        Event::Message(text) => Seen::Message(text.to_string()),
        Event::Pong(payload) => Seen::Pong(payload.to_vec()),
        Event::Goodbye { code, reason } => Seen::Goodbye(code, reason),
        Event::Broken(fault) => Seen::Broken(fault),
    }
}

fn refusal(status: u16) -> Response {
    Response { status, headers: Vec::new(), body: b"no".to_vec() }
}

/// Limits that differ from their defaults.
///
/// # Panics
/// When one of them is no limit.
pub fn limits(set: &[(&str, u64)]) -> Arc<Limits> {
    let mut limits = Limits::default();
    for (name, value) in set {
        limits.set(name, *value).unwrap_or_else(|error| panic!("{error}"));
    }
    Arc::new(limits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_upgrade() {
        let limits = limits(&[]);
        let mut server = End::server(&limits, true);
        server.reads(UPGRADE);
        assert!(matches!(server.seen.as_slice(), [Seen::Request(request)] if request.upgrade.is_some()));
        let mut client = End::client(&limits);
        client.reads(AGREEMENT);
        assert_eq!(client.seen, [Seen::Upgraded], "{}", String::from_utf8_lossy(&client.written));
    }
}
